"""What is fitted to pings and drawn of them. It imports `_table`, `stats` and the models."""
