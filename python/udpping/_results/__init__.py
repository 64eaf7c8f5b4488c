"""What a measurement gives back: runs, rows and comparisons. It imports `_figures` and what that imports."""
