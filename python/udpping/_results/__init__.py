"""The results of measurements, and their display. It imports `_figures` and what that imports."""
