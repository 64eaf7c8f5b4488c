"""The table that every result is, and how it is written and shown. It imports `_args`."""
