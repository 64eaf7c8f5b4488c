"""What reads results: our files and those of other programs. It imports `_results` and what that imports."""
