FITTED: dict[str, tuple[float, ...]] = {}
