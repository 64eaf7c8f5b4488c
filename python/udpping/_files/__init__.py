"""Reads results from files of udpping and of other programs. It imports `_results` and what that imports."""
