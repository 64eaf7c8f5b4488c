"""Checks arguments and converts them to what the core reads. It imports `errors` and the core."""
