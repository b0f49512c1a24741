"""The calls, one module per subject. Every route is declared with its whole path."""
