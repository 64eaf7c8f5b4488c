"""The tables of results, and how they are written and shown. It imports `_args`."""
