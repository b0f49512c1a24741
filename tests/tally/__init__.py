"""A kind of analysis that is none of the product's: what adding one takes, tried for real.

Its models, its tasks and its composition stand here; ``REGISTRY`` is the one entry. Nothing else in
the project knows of it.
"""
