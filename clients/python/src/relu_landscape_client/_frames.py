"""Tables: pandas and xarray, imported only when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relu_landscape_client import _decode, _files
from relu_landscape_client.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Columns of ``FixedPoint.row``, named here so that a table without rows has them too.
COLUMNS = (
    "key", "kind", "loss", "is_global", "structure", "isotropy", "anti_aligned", "orbit_size",
    "attractive", "index", "nullity", "index_span", "index_perpendicular", "min_eigenvalue_span",
    "min_eigenvalue_perpendicular", "relaxation_time", "hits", "probability", "probability_low",
    "probability_high", "certified", "wider_gain", "wider_guaranteed_gain", "wider_saddle_lines",
    "wider_end_loss", "wider_end_structure", "rate_slope", "critical_rate", "found_by",
)  # fmt: skip
#: Those that hold floats even where every row says None.
FLOATS = (
    "loss", "min_eigenvalue_span", "min_eigenvalue_perpendicular", "relaxation_time",
    "probability", "probability_low", "probability_high", "wider_gain", "wider_guaranteed_gain",
    "wider_end_loss", "rate_slope", "critical_rate",
)  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A row per mapping; columns that are named are there even without rows."""
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtra("pandas", "frames") from error
    return pd.DataFrame(list(rows), columns=list(columns))


def dataframe(
    rows: Sequence[Mapping[str, Any]], asked: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """A row per fixed point, indexed by key; unknown numbers are NaN.

    ``asked``: columns before the others that say the same in each row.
    """
    points = table(rows, COLUMNS).set_index("key").astype(dict.fromkeys(FLOATS, float))
    for place, (name, value) in enumerate((asked or {}).items()):
        points.insert(place, name, value)
    return points


def dataset(
    keys: Sequence[str],
    variables: Mapping[str, tuple[Sequence[str], Any]],
    attributes: Mapping[str, str],
) -> xr.Dataset:
    """Variables by name, each with its dimensions and values, over the coordinate ``key``."""
    try:
        import xarray as xr
    except ImportError as error:
        raise MissingExtra("xarray", "frames") from error
    return xr.Dataset(dict(variables), coords={"key": list(keys)}, attrs=dict(attributes))


def grid(
    axes: Mapping[str, Sequence[Any]],
    variables: Mapping[str, tuple[Sequence[str], Any]],
    attributes: Mapping[str, str],
) -> xr.Dataset:
    """Variables by name over the axes of a grid."""
    try:
        import xarray as xr
    except ImportError as error:
        raise MissingExtra("xarray", "frames") from error
    return xr.Dataset(dict(variables), coords=dict(axes), attrs=dict(attributes))


def write_parquet(
    path: str | Path,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    metadata: Mapping[str, Any],
) -> None:
    """Rows in Parquet; ``columns`` are ``int``, ``float`` or ``text``, each may be null.

    ``metadata`` stands in the schema, as JSON under the name of this library.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    kinds = {"int": pa.int64(), "float": pa.float64(), "text": pa.string()}
    schema = pa.schema(
        [pa.field(name, kinds[kind]) for name, kind in columns.items()],
        metadata={"relu_landscape": _decode.strict_json(metadata)},
    )
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    _files.replace(Path(path), lambda name: pq.write_table(table, name))
