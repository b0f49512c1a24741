"""Tables: pandas, xarray and pyarrow, imported only when asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from relu_landscape_client import _decode, _files
from relu_landscape_client.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: What columns hold, named so that a table without rows, or with nulls alone, has them too.
#: ``digits`` are of an integer that may be beyond 64 bits.
Columns = Mapping[str, Literal["int", "float", "text", "truth", "digits"]]
#: Of ``FixedPoint.row``.
COLUMNS: Columns = {
    "key": "text", "kind": "text", "loss": "float", "is_global": "truth", "structure": "text",
    "isotropy": "text", "anti_aligned": "int", "orbit_size": "digits", "attractive": "truth",
    "index": "int", "nullity": "int", "index_span": "int", "index_perpendicular": "int",
    "min_eigenvalue_span": "float", "min_eigenvalue_perpendicular": "float",
    "relaxation_time": "float", "hits": "int", "probability": "float", "probability_low": "float",
    "probability_high": "float", "certified": "truth", "wider_gain": "float",
    "wider_guaranteed_gain": "float", "wider_saddle_lines": "int", "wider_end_loss": "float",
    "wider_end_structure": "text", "rate_slope": "float", "critical_rate": "float",
    "found_by": "text",
}  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
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
    floats = [name for name, kind in COLUMNS.items() if kind == "float"]
    points = table(rows, COLUMNS).set_index("key").astype(dict.fromkeys(floats, float))
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
    columns: Columns,
    metadata: Mapping[str, Any],
) -> None:
    """Rows in Parquet; what a row lacks is null, as is NaN, which says that a number is unknown.

    Types follow from ``columns`` alone, so that tables of several results can be joined: digits
    are text. ``metadata`` stands in the schema, as JSON under the name of this library.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    kinds = {
        "int": pa.int64(), "float": pa.float64(), "text": pa.string(), "truth": pa.bool_(),
        "digits": pa.string(),
    }  # fmt: skip
    schema = pa.schema(
        [pa.field(name, kinds[kind]) for name, kind in columns.items()],
        metadata={"relu_landscape": _decode.strict_json(metadata)},
    )
    cells = [{name: _cell(row.get(name), kind) for name, kind in columns.items()} for row in rows]
    table = pa.Table.from_pylist(cells, schema=schema)
    _files.replace(Path(path), lambda name: pq.write_table(table, name))


def _cell(value: Any, kind: str) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value) if kind == "digits" else value
