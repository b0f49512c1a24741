"""The atlas: overviews of the landscapes of many pairs of widths, opened without a server."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relu_landscape_client import _decode, _frames
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
from relu_landscape_client.errors import FileError, NotFound, ProtocolError

if TYPE_CHECKING:
    import pandas as pd

#: What this release reads.
FORMAT = "relu-landscape atlas 1"

#: Columns of ``AtlasCell.flat``.
CELL_COLUMNS: _frames.Columns = {
    "student_width": "int", "teacher_width": "int", "id": "text", "digest": "text",
    "starts": "int", "failed_starts": "int", "zero_loss_hits": "int",
    "zero_loss_probability": "float", "zero_loss_low": "float", "zero_loss_high": "float",
    "minima": "int", "spurious_minima": "int", "lowest_spurious_loss": "float",
    "missing_mass": "float", "missing_mass_bound_95": "float", "saddles": "int",
    "certified": "int", "seconds": "float",
}  # fmt: skip
#: Columns of a table of fixed points, after the widths.
POINT_COLUMNS: _frames.Columns = {
    "key": "text", "kind": "text", "structure": "text", "loss": "float", "probability": "float",
    "hits": "int", "index": "int", "smallest_eigenvalue": "float", "orbit_size": "digits",
    "certified": "truth",
}  # fmt: skip
_TYPES = {
    "int": "Int64", "float": "float64", "text": "object", "digits": "object", "truth": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class AtlasPoint:
    """One fixed point of a landscape, up to relabelling: everything but its weights.

    ``smallest_eigenvalue`` is of the whole Hessian, 0 within its tolerance of zero; ``index``
    counts negative ones in the input dimension asked for; ``orbit_size`` the relabelled copies.
    ``probability`` and ``hits`` are None for saddles, and without starts.
    """

    key: str
    kind: str
    structure: str
    loss: float
    probability: float | None
    hits: int | None
    index: int
    smallest_eigenvalue: float
    orbit_size: int
    certified: bool

    @classmethod
    def from_document(cls, document: Document) -> AtlasPoint:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            kind=str(required(document, "kind")),
            structure=str(required(document, "structure")),
            loss=number(required(document, "loss")),
            probability=nullable(document, "probability", number),
            hits=nullable(document, "hits", integer),
            index=integer(required(document, "index")),
            smallest_eigenvalue=number(required(document, "smallest_eigenvalue")),
            orbit_size=integer(required(document, "orbit_size")),
            certified=bool(required(document, "certified")),
        )


@dataclass(frozen=True)
class AtlasCell:
    """One pair of widths. ``id`` and ``digest`` are those of the landscape, which
    ``Client.landscape`` computes anew with the same ``options``, weights and all.
    """

    student_width: int
    teacher_width: int
    id: str
    digest: str
    options: Mapping[str, Any] = field(hash=False)
    starts: int
    failed_starts: int
    zero_loss_hits: int | None
    zero_loss_probability: float | None
    zero_loss_interval_95: tuple[float, float] | None
    minima: int
    spurious_minima: int
    lowest_spurious_loss: float | None
    missing_mass: float | None
    missing_mass_bound_95: float | None
    saddles: int | None
    certified: int | None
    seconds: float
    fixed_points: tuple[AtlasPoint, ...]

    @classmethod
    def from_document(cls, document: Document) -> AtlasCell:
        """Read; raises ``ProtocolError`` where a member is missing."""
        read: dict[str, Any] = {"int": integer, "float": number, "text": str}
        plain: dict[str, Any] = {
            name: nullable(document, name, read[kind])
            for name, kind in CELL_COLUMNS.items()
            if name in cls.__dataclass_fields__
        }
        return cls(
            options=dict(mapping(required(document, "options"))),
            zero_loss_interval_95=nullable(
                document, "zero_loss_interval_95", lambda ends: pair(ends, number)
            ),
            fixed_points=each(required(document, "fixed_points"), AtlasPoint.from_document),
            **plain,
        )

    def flat(self) -> dict[str, Any]:
        """The row of a table."""
        low, high = self.zero_loss_interval_95 or (None, None)
        others = {"zero_loss_low": low, "zero_loss_high": high}
        return {name: others.get(name, getattr(self, name, None)) for name in CELL_COLUMNS}


@dataclass(frozen=True, eq=False)
class Atlas:
    """Overviews of landscapes: ``atlas[K, M]`` for student width K and teacher width M.

    ``cells`` come by teacher width, then by student width; ``licence`` and ``citation`` say how to
    use and cite the data, ``origin`` who computed them, with what, when and how.
    """

    format: str
    title: str
    licence: str
    citation: str
    origin: Mapping[str, Any]
    cells: tuple[AtlasCell, ...]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Atlas:
        """Read; raises ``ProtocolError`` where it is no atlas of this format."""
        given = str(required(document, "format"))
        if given != FORMAT:
            raise ProtocolError(f"{given!r} is not read by this release, which reads {FORMAT!r}")
        return cls(
            format=given,
            title=str(required(document, "title")),
            licence=str(required(document, "licence")),
            citation=str(required(document, "citation")),
            origin=mapping(required(document, "origin")),
            cells=each(required(document, "cells"), AtlasCell.from_document),
            document=document,
        )

    @cached_property
    def _places(self) -> dict[tuple[int, int], AtlasCell]:
        return {(cell.student_width, cell.teacher_width): cell for cell in self.cells}

    def __getitem__(self, widths: tuple[int, int]) -> AtlasCell:
        """The cell of (student width, teacher width). Raises ``NotFound``, a ``LookupError``."""
        try:
            return self._places[widths]
        except (KeyError, TypeError):
            raise NotFound(0, self._absent(widths)) from None

    def _absent(self, widths: object) -> str:
        students = max((cell.student_width for cell in self.cells), default=0)
        teachers = max((cell.teacher_width for cell in self.cells), default=0)
        return (
            f"the atlas has no {widths!r}; it has (student width, teacher width) up to "
            f"({students}, {teachers})"
        )

    def __contains__(self, widths: object) -> bool:
        return widths in self._places

    def __iter__(self) -> Iterator[AtlasCell]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        algorithm, date = self.origin.get("algorithm"), self.origin.get("date")
        return f"<Atlas of {len(self)} landscapes, algorithm {algorithm}, {date}>"

    def rows(self, *, fixed_points: bool = False) -> list[dict[str, Any]]:
        """A row per pair of widths, or per fixed point with its widths, of plain values."""
        if not fixed_points:
            return [cell.flat() for cell in self.cells]
        return [
            {"student_width": cell.student_width, "teacher_width": cell.teacher_width}
            | {name: getattr(point, name) for name in POINT_COLUMNS}
            for cell in self.cells
            for point in cell.fixed_points
        ]

    def to_dataframe(self, *, fixed_points: bool = False) -> pd.DataFrame:
        """``rows`` as a table (needs pandas); integers that may be missing are ``Int64``."""
        columns = _columns(fixed_points=fixed_points)
        table = _frames.table(self.rows(fixed_points=fixed_points), columns)
        return table.astype({name: _TYPES[kind] for name, kind in columns.items()})

    def to_parquet(self, path: str | Path, *, fixed_points: bool = False) -> None:
        """``rows`` in Parquet (needs pyarrow), with title, licence, citation and origin as its
        metadata; orbit sizes, which may be beyond 64 bits, as text."""
        about = {
            "title": self.title, "licence": self.licence, "citation": self.citation,
            "origin": self.origin,
        }  # fmt: skip
        rows = self.rows(fixed_points=fixed_points)
        _frames.write_parquet(path, rows, _columns(fixed_points=fixed_points), about)


def _columns(*, fixed_points: bool) -> _frames.Columns:
    if not fixed_points:
        return CELL_COLUMNS
    return {"student_width": "int", "teacher_width": "int", **POINT_COLUMNS}


def atlas(path: str | Path | None = None) -> Atlas:
    """The atlas that comes with this package, or the one in a file (``.json`` or ``.json.gz``).

    No server is asked. Raises ``FileError`` where a file holds no atlas.
    """
    if path is None:
        content = files("relu_landscape_client").joinpath("data", "atlas.json.gz").read_bytes()
    else:
        content = Path(path).read_bytes()
    try:
        # As gzip says itself, so that a file that a browser unpacked is read too.
        text = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        return Atlas.from_document(_decode.parse(text))
    except (ProtocolError, OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path or 'The installed file'} holds no atlas: {error}") from error
