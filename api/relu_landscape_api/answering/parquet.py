"""Tables as Parquet, where the extra ``parquet`` is installed."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from functools import cache
from typing import Any

from relu_landscape_api.answering.rows import Row

#: What to say where Parquet alone is asked for and pyarrow is not installed.
MISSING = "for Parquet the service needs pyarrow (pip install 'relu-landscape[parquet]')"


@cache
def is_installed() -> bool:
    """Whether this service can write Parquet."""
    return importlib.util.find_spec("pyarrow") is not None


def to_parquet(rows: Sequence[Row]) -> bytes:
    """The same columns in the same order: booleans, 64-bit integers, doubles or text, or null.

    A column of integers and doubles has doubles; one with any text, and an integer beyond 64 bits,
    text throughout; one without a single value, nulls.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(rows[0]) if rows else []
    columns = {name: _column(pa, [row[name] for row in rows]) for name in names}
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


def _column(pa: Any, cells: Sequence[Any]) -> Any:
    kinds = {type(cell) for cell in cells if cell is not None}
    if not kinds:
        return pa.nulls(len(cells))
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    fits = all(abs(cell) < 2**63 for cell in cells if isinstance(cell, int))
    if kinds == {int} and fits:
        return pa.array(cells, pa.int64())
    if kinds <= {int, float} and fits:
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
