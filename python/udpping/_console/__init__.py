"""What the command line and the programs of the lab share. It imports `_args`."""
