"""What a measurement gives back, and how it looks. It imports `_figures` and what that imports."""
