"""What a caller hands in: checked, and written as the core reads it. It imports `errors` and the core."""
