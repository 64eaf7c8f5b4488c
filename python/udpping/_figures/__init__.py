"""Fits models to pings and plots runs. It imports `_table`, `stats` and the models."""
