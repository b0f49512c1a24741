"""The calls, one module per subject. Every route is declared with its whole path.

What depends on the registry is built from it by a function; what does not is a router.
"""
