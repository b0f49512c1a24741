"""The command line of relu-landscape."""
