"""Landscapes as tables: pandas and xarray, imported only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from relu_landscape_client.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from relu_landscape_client.points import FixedPoint
    from relu_landscape_client.results import Landscape


def row(point: FixedPoint) -> dict[str, Any]:
    """What a table says of one point, by column."""
    low, high = (None, None) if point.attraction is None else point.attraction.interval_95
    return {
        "key": point.key,
        "kind": point.kind,
        "loss": point.loss,
        "is_global": point.is_global,
        "structure": point.structure.name,
        "isotropy": point.structure.isotropy,
        "anti_aligned": point.structure.anti_aligned,
        "attractive": point.stability.attractive,
        "index": point.stability.index,
        "min_eigenvalue": point.stability.min_eigenvalue,
        "min_eigenvalue_perpendicular": point.stability.min_eigenvalue_perpendicular,
        "hits": point.hits,
        "probability": point.probability,
        "probability_low": low,
        "probability_high": high,
        "certified": point.is_certified,
        "found_by": "+".join(point.found_by),
    }


def dataframe(points: Sequence[FixedPoint]) -> pd.DataFrame:
    """A row per point, indexed by key; unknown numbers are NaN."""
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtra("pandas", "frames") from error
    columns = [
        "key", "kind", "loss", "is_global", "structure", "isotropy", "anti_aligned", "attractive",
        "index", "min_eigenvalue", "min_eigenvalue_perpendicular", "hits", "probability",
        "probability_low", "probability_high", "certified", "found_by",
    ]  # fmt: skip
    table = pd.DataFrame([row(point) for point in points], columns=columns).set_index("key")
    floats = [
        "loss", "min_eigenvalue", "min_eigenvalue_perpendicular", "probability",
        "probability_low", "probability_high",
    ]  # fmt: skip
    return table.astype(dict.fromkeys(floats, float))


def dataset(landscape: Landscape) -> xr.Dataset:
    """Variables over ``key``, ``student``, ``student_2`` and ``teacher``."""
    try:
        import xarray as xr
    except ImportError as error:
        raise MissingExtra("xarray", "frames") from error
    import numpy as np

    points = list(landscape.fixed_points)
    K, M = landscape.student_width, landscape.teacher_width

    def stacked(name: str, *shape: int) -> Any:
        arrays = [getattr(point, name) for point in points]
        # A server may leave overlaps out (very wide students): NaN stands for them.
        return np.array(
            [each if each.shape == shape else np.full(shape, np.nan) for each in arrays]
        ).reshape(len(points), *shape)

    over_key: dict[str, Any] = {
        name: ("key", [getattr(point, name) for point in points])
        for name in ("kind", "loss", "is_global", "probability", "hits")
    }
    over_key["min_eigenvalue"] = ("key", [point.stability.min_eigenvalue for point in points])
    return xr.Dataset(
        {
            **over_key,
            "R": (("key", "student", "teacher"), stacked("R", K, M)),
            "Q": (("key", "student", "student_2"), stacked("Q", K, K)),
            "norms": (("key", "student"), stacked("norms", K)),
        },
        coords={"key": [point.key for point in points]},
        attrs={"id": landscape.id, "digest": landscape.digest},
    )
