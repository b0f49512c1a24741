"""Sweeps: landscapes over a grid, as one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from relu_landscape_client import _files, _frames
from relu_landscape_client._decode import (
    OURS,
    Document,
    each,
    integer,
    mapping,
    nullable,
    number,
    pair,
    required,
)
from relu_landscape_client._sealed import Sealed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Columns of ``SweepRow.flat`` after those of the axes, with what they hold.
COLUMNS: _frames.Columns = {
    "student_width": "int", "teacher_width": "int", "landscape": "text", "digest": "text",
    "starts": "int", "failed_starts": "int", "zero_loss_hits": "int",
    "zero_loss_probability": "float", "zero_loss_low": "float", "zero_loss_high": "float",
    "spurious_minima": "int", "lowest_spurious_loss": "float", "smallest_eigenvalue": "float",
    "missing_mass": "float", "missing_mass_bound_95": "float", "saddles": "int",
    "lowest_saddle_loss": "float", "certified": "int", "losses": "text", "error": "text",
}  # fmt: skip


@dataclass(frozen=True)
class SweepMinimum:
    """One minimum of a cell's landscape, or the continuum of its global minima."""

    key: str
    kind: str
    loss: float
    structure: str
    hits: int | None
    min_eigenvalue: float
    certified: bool

    @classmethod
    def from_document(cls, document: Document) -> SweepMinimum:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            kind=str(required(document, "kind")),
            loss=number(required(document, "loss")),
            structure=str(required(document, "structure")),
            hits=nullable(document, "hits", integer),
            min_eigenvalue=number(required(document, "min_eigenvalue")),
            certified=bool(required(document, "certified")),
        )


@dataclass(frozen=True)
class SweepRow:
    """One cell: its ``values`` by axis, the id of its ``landscape``, and what that says in short.

    Where a cell has no landscape, ``error`` says why, and the numbers are None.
    """

    cell: int
    values: Mapping[str, Any] = field(hash=False)
    student_width: int
    teacher_width: int
    landscape: str | None
    digest: str | None
    starts: int | None
    failed_starts: int | None
    zero_loss_hits: int | None
    zero_loss_probability: float | None
    zero_loss_interval_95: tuple[float, float] | None
    spurious_minima: int | None
    lowest_spurious_loss: float | None
    smallest_eigenvalue: float | None
    missing_mass: float | None
    missing_mass_bound_95: float | None
    saddles: int | None
    lowest_saddle_loss: float | None
    certified: int | None
    minima: tuple[SweepMinimum, ...]
    error: str | None

    @classmethod
    def from_document(cls, document: Document) -> SweepRow:
        """Read; raises ``ProtocolError`` where a member is missing."""
        numbers: dict[str, Any] = {
            name: nullable(document, name, integer if kind == "int" else number)
            for name, kind in COLUMNS.items()
            if name in cls.__dataclass_fields__ and kind != "text"
        }
        texts: dict[str, Any] = {
            name: nullable(document, name, str) for name in ("landscape", "digest", "error")
        }
        return cls(
            cell=integer(required(document, "cell")),
            values=dict(mapping(required(document, "values"))),
            zero_loss_interval_95=nullable(
                document, "zero_loss_interval_95", lambda ends: pair(ends, number)
            ),
            minima=each(required(document, "minima"), SweepMinimum.from_document),
            **numbers,
            **texts,
        )

    def flat(self) -> dict[str, Any]:
        """The row of a table: the axes, then the columns; ``losses`` of all minima, in words."""
        low, high = self.zero_loss_interval_95 or (None, None)
        others = {
            "zero_loss_low": low,
            "zero_loss_high": high,
            "losses": " ".join(repr(point.loss) for point in self.minima),
        }
        columns = {name: others.get(name, getattr(self, name, None)) for name in COLUMNS}
        return {**self.values, **columns}


@dataclass(frozen=True)
class SweepAxis:
    """One axis of the grid: a field's ``name``, and its ``values``."""

    name: str
    values: tuple[Any, ...]

    @classmethod
    def from_document(cls, document: Document) -> SweepAxis:
        """Read; raises ``ProtocolError`` where a member is missing."""
        values = each(required(document, "values"), lambda value: value)
        return cls(str(required(document, "name")), values)


@dataclass(frozen=True, eq=False)
class Sweep(Sealed):
    """A finished sweep: a row per cell of the grid, in the order of the ``axes``, the last one
    fastest; ``finished`` of them have a landscape, the others say why not.

    A cell's landscape is fetched by its id (``Client.result(row.landscape)``). Two sweeps with the
    same digest are the same, and compare equal.
    """

    id: str
    digest: str
    request: Mapping[str, Any]
    axes: tuple[SweepAxis, ...]
    finished: int
    failed: int
    rows: tuple[SweepRow, ...]
    provenance: Mapping[str, Any]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Sweep:
        """Read a result; raises ``ProtocolError`` where it is none."""
        return cls(
            id=str(required(document, "id")),
            digest=str(required(document, "digest")),
            request=mapping(required(document, "request")),
            axes=each(required(document, "axes"), SweepAxis.from_document),
            finished=integer(required(document, "finished")),
            failed=integer(required(document, "failed")),
            rows=each(required(document, "rows"), SweepRow.from_document),
            provenance=mapping(required(document, "provenance")),
            document=document,
        )

    def __repr__(self) -> str:
        shape = " x ".join(f"{len(axis.values)} {axis.name}" for axis in self.axes)
        return f"<Sweep of {shape}: {self.finished} landscapes, {self.failed} cells without>"

    @property
    def columns(self) -> _frames.Columns:
        """Columns of the tables with what they hold: ``int``, ``float`` or ``text``."""
        return {axis.name: _kind_of(axis.values) for axis in self.axes} | dict(COLUMNS)

    def to_csv(self, path: str | Path | None = None) -> str:
        """The table as CSV text, also written to ``path``; floats with all their digits."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.flat() for row in self.rows)
        return _files.write_text(text.getvalue(), path)

    def to_dataframe(self) -> pd.DataFrame:
        """The table, a row per cell (needs pandas); integers that may be missing are ``Int64``."""
        kinds = {"int": "Int64", "float": "float64", "text": "object"}
        table = _frames.table([row.flat() for row in self.rows], list(self.columns))
        return table.astype({name: kinds[kind] for name, kind in self.columns.items()})

    def to_parquet(self, path: str | Path) -> None:
        """The table in Parquet (needs pyarrow), with id, digest and request as its metadata."""
        rows = [row.flat() for row in self.rows]
        _frames.write_parquet(path, rows, self.columns, self._origin)

    def to_xarray(self) -> xr.Dataset:
        """The numbers as a dataset over the axes (needs xarray); NaN where a cell has none."""
        import numpy as np

        shape = tuple(len(axis.values) for axis in self.axes)
        flat = [row.flat() for row in self.rows]
        axes = {axis.name: list(axis.values) for axis in self.axes}
        variables: dict[str, Any] = {}
        for name, kind in COLUMNS.items():
            if name in axes:
                continue
            values = [row[name] for row in flat]
            if kind == "text":
                array = np.array(["" if value is None else value for value in values], dtype=object)
            else:
                array = np.array([np.nan if value is None else value for value in values], float)
            variables[name] = (tuple(axes), array.reshape(shape))
        return _frames.grid(axes, variables, {"id": self.id, "digest": self.digest})


def _kind_of(values: tuple[Any, ...]) -> Literal["int", "float", "text"]:
    if all(isinstance(value, str) for value in values):
        return "text"
    return "int" if all(isinstance(value, int) for value in values) else "float"
