"""How large a kick a fixed point withstands: the share of kicks from which the flow returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from relu_landscape_client import _frames
from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    OURS,
    Document,
    each,
    integer,
    mapping,
    nullable,
    number,
    required,
)
from relu_landscape_client._sealed import Tabular
from relu_landscape_client.parts import Attraction
from relu_landscape_client.points import FixedPoint, FixedPoints

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Columns of the tables of ``Perturbations``.
COLUMNS: _frames.Columns = {
    "size": "float", "length": "float", "end": "text", "is_fixed_point": "truth",
    "is_start": "truth", "hits": "int", "probability": "float", "low": "float", "high": "float",
    "proved": "int",
}  # fmt: skip


@dataclass(frozen=True)
class KickedEnd:
    """Where kicks of one size lead: an ``end`` (a fixed point's key, or an outcome in words), and
    the share of the kicks as its ``attraction``."""

    end: str
    is_fixed_point: bool
    attraction: Attraction

    @classmethod
    def from_document(cls, document: Document) -> KickedEnd:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            end=str(required(document, "end")),
            is_fixed_point=bool(required(document, "is_fixed_point")),
            attraction=Attraction.from_document(mapping(required(document, "attraction"))),
        )


@dataclass(frozen=True)
class KickSize:
    """Kicks of one ``size`` sigma, of root mean square ``length`` over all weights: how many
    ``returned``, how many of these ``to_itself`` and not to a relabelled copy (None on the
    continuum), how many are ``proved`` to return (None without a proof), a row per end of
    any size in ``reached``, and the end of each kick in ``ends``."""

    size: float
    length: float
    returned: Attraction
    to_itself: int | None
    proved: int | None
    reached: tuple[KickedEnd, ...]
    ends: tuple[str, ...]

    @classmethod
    def from_document(cls, document: Document) -> KickSize:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            size=number(required(document, "size")),
            length=number(required(document, "length")),
            returned=Attraction.from_document(mapping(required(document, "returned"))),
            to_itself=nullable(document, "to_itself", integer),
            proved=nullable(document, "proved", integer),
            reached=each(required(document, "reached"), KickedEnd.from_document),
            ends=each(required(document, "ends"), str),
        )

    def __repr__(self) -> str:
        often = ", ".join(f"{one.end}: {one.attraction.probability:.3g}" for one in self.reached)
        return f"<KickSize {self.size:g}: {often}>"


@dataclass(frozen=True, eq=False)
class Perturbations(Tabular):
    """Kicks of the fixed point with the key ``start`` among ``fixed_points``, by ``sizes``.

    ``proved_radius``: the flow from everything within this of the point is proved to return; NaN
    without a proof. Two answers with the same digest are the same, and compare equal.
    """

    _columns: ClassVar[_frames.Columns] = COLUMNS

    id: str
    digest: str
    request: Mapping[str, Any]
    start: str
    moved: float
    proved_radius: float
    fixed_points: FixedPoints
    sizes: tuple[KickSize, ...]
    provenance: Mapping[str, Any]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Perturbations:
        """Read a result; raises ``ProtocolError`` where it is none."""
        radius = nullable(document, "proved_radius", number)
        return cls(
            id=str(required(document, "id")),
            digest=str(required(document, "digest")),
            request=mapping(required(document, "request")),
            start=str(required(document, "start")),
            moved=number(required(document, "moved")),
            proved_radius=np.nan if radius is None else radius,
            fixed_points=FixedPoints(
                each(required(document, "fixed_points"), FixedPoint.from_document)
            ),
            sizes=each(required(document, "sizes"), KickSize.from_document),
            provenance=mapping(required(document, "provenance")),
            document=document,
        )

    def __repr__(self) -> str:
        asked = self.request
        return (
            f"<Perturbations of {self.start}, {asked.get('student_width')} students and "
            f"{asked.get('teacher_width')} teachers: {asked.get('kicks')} kicks of each of "
            f"{len(self.sizes)} sizes>"
        )

    @property
    def returned(self) -> Floats:
        """Share of the kicks that return, by size."""
        return array([one.returned.probability for one in self.sizes])

    @property
    def leaves_at(self) -> Floats:
        """Of each kick's direction, the smallest size at which the flow does not return; NaN where
        it always does. All sizes have the same directions."""
        kicks = range(len(self.sizes[0].ends))
        return array([
            next((one.size for one in self.sizes if one.ends[kick] != self.start), np.nan)
            for kick in kicks
        ])  # fmt: skip

    def to_dataframe(self) -> pd.DataFrame:
        """A row per size and end, as a pandas table (the extra ``frames``)."""
        return _frames.table(self._rows(), COLUMNS)

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "size": one.size, "length": one.length, "end": end.end,
                "is_fixed_point": end.is_fixed_point, "is_start": end.end == self.start,
                "hits": end.attraction.hits, "probability": end.attraction.probability,
                "low": end.attraction.interval_95[0], "high": end.attraction.interval_95[1],
                "proved": one.proved,
            }
            for one in self.sizes
            for end in one.reached
        ]  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Share of each end against the size of the kick with its 95% interval, and where it is
        proved the size whose mean length is the proved radius (the extra ``plot``)."""
        from relu_landscape_client import plots

        lines: dict[str, list[tuple[float, Attraction]]] = {}
        for one in self.sizes:
            for reached in one.reached:
                lines.setdefault(reached.end, []).append((one.size, reached.attraction))
        per_size = self.sizes[0].length / self.sizes[0].size
        return plots.kicked(lines, self.proved_radius / per_size, ax)
