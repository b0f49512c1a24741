"""The HTTP face of relu-landscape."""
