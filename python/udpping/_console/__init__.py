"""What the command line and the programs of the lab share. It imports `_services` and what that imports."""
