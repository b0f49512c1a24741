"""Jobs: the store, the compute pool, and the coordinator between them."""
