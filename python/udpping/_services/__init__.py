"""Runs servers, monitors, heartbeats and pings. It imports `_results` and what that imports."""
