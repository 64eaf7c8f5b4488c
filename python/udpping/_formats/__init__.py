"""Files of pings, one module for each program that writes them. `udpping.load` is the way in."""
