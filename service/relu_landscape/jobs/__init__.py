"""Jobs: store, embedded server, coordinator, compute pool."""
