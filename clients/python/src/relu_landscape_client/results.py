"""What comes back: a landscape, frozen, with everything in it.

It is read from the server's JSON document, which stays at hand as ``document``: what a newer
server adds is there, although these classes do not know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relu_landscape_client import _files, _frames
from relu_landscape_client._decode import Document, integer, number, required
from relu_landscape_client.errors import ProtocolError
from relu_landscape_client.points import FixedPoint, FixedPoints

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Transition:
    """A saddle of index 1 and the two minima that its unstable directions lead to.

    ``barriers`` are the saddle's loss above either minimum; ``same_copy`` is True where both ends
    are one labelled point, False where they are relabelled copies, None where that is unknown;
    ``relation`` says the same in finer words (``student order``, ``relabelled``, ``different``).
    """

    saddle: str
    minima: tuple[str, str]
    barriers: tuple[float, float]
    same_copy: bool | None = None
    relation: str | None = None

    @classmethod
    def from_document(cls, document: Document) -> Transition:
        """Read; raises ``ProtocolError`` where the two minima are not two."""
        minima = required(document, "minima")
        barriers = document.get("barriers") or (None, None)
        if len(minima) != 2 or len(barriers) != 2:
            raise ProtocolError("a transition joins two minima over two barriers")
        return cls(
            str(required(document, "saddle")), (str(minima[0]), str(minima[1])),
            (number(barriers[0]), number(barriers[1])), document.get("same_copy"),
            document.get("relation"),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Landscape:
    """Everything found: ``fixed_points`` in canonical order, minima by loss, then saddles.

    ``request`` echoes the question with every default filled in, ``provenance`` says who computed
    the answer with what, ``starts`` what became of the random starts, ``unseen_mass`` how likely
    the next start ends somewhere not listed, ``searched`` what the structured search covered.
    ``digest`` is the SHA-256 of everything but the provenance: two landscapes with the same digest
    are the same, and compare equal.
    """

    id: str
    digest: str
    request: Mapping[str, Any]
    fixed_points: FixedPoints
    transitions: tuple[Transition, ...]
    starts: Mapping[str, Any]
    unseen_mass: Mapping[str, float] | None
    searched: Mapping[str, Any]
    provenance: Mapping[str, Any]
    disconnectivity: Mapping[str, Any] | None
    document: Document = field(repr=False)

    @classmethod
    def from_document(cls, document: Document) -> Landscape:
        """Read a result; raises ``ProtocolError`` where it is none."""
        return cls(
            id=str(required(document, "id")),
            digest=str(document.get("digest", "")),
            request=document.get("request") or {},
            fixed_points=FixedPoints(
                [FixedPoint.from_document(each) for each in required(document, "fixed_points")]
            ),
            transitions=tuple(map(Transition.from_document, document.get("transitions") or ())),
            starts=document.get("starts") or {},
            unseen_mass=document.get("unseen_mass"),
            searched=document.get("searched") or {},
            provenance=document.get("provenance") or {},
            disconnectivity=document.get("disconnectivity"),
            document=document,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Landscape.from_document, (self.document,)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Landscape):
            return NotImplemented
        return (self.id, self.digest) == (other.id, other.digest)

    def __hash__(self) -> int:
        return hash((self.id, self.digest))

    def __repr__(self) -> str:
        return (
            f"<Landscape of {self.student_width} students and {self.teacher_width} teachers: "
            f"{len(self.minima)} minima, {len(self.saddles)} saddles>"
        )

    @property
    def student_width(self) -> int:
        """Number of ReLU units of the student."""
        return integer(required(self.request, "student_width"))

    @property
    def teacher_width(self) -> int:
        """Number of ReLU units of the teacher."""
        return integer(required(self.request, "teacher_width"))

    @property
    def minima(self) -> FixedPoints:
        """Minima by loss, global ones (and a continuum of them, as one entry) included."""
        return self.only("minimum", "global_continuum")

    @property
    def spurious(self) -> FixedPoints:
        """Minima that are not global."""
        return FixedPoints([point for point in self.minima if not point.is_global])

    @property
    def saddles(self) -> FixedPoints:
        """Saddles by loss."""
        return self.only("saddle")

    def only(self, *kinds: str) -> FixedPoints:
        """The fixed points of these kinds."""
        return FixedPoints([point for point in self.fixed_points if point.kind in kinds])

    def to_dataframe(self) -> pd.DataFrame:
        """A table with a row per fixed point, indexed by key (needs pandas)."""
        return self.fixed_points.to_dataframe()

    def to_xarray(self) -> xr.Dataset:
        """Losses, overlaps, norms and attraction as one dataset over ``key`` (needs xarray)."""
        return _frames.dataset(self)

    def to_json(self, path: str | Path | None = None) -> str:
        """The whole result as strict JSON text (NaN as null), also written to ``path``."""
        return _files.write_json(self.document, path)

    def to_npz(self, path: str | Path) -> None:
        """Write the arrays (``R_m1``, ``Q_m1``, ``eigenvalues_m1``, ...) and the whole result."""
        _files.write_npz(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Landscape:
        """Read what ``to_json`` or ``to_npz`` wrote; raises ``FileError`` where it is neither."""
        return cls.from_document(_files.read(path))

    def plot(self, ax: Axes | None = None) -> Axes:
        """The loss ladder: each fixed point at its loss, sized by its probability."""
        from relu_landscape_client import plots

        return plots.ladder(self, ax)

    def plot_spectrum(self, key: str | None = None, ax: Axes | None = None) -> Axes:
        """Eigenvalues against multiplicities of one point (default: the lowest minimum)."""
        return self._point(key).plot_spectrum(ax)

    def plot_overlaps(
        self, key: str | None = None, axes: Sequence[Axes] | None = None
    ) -> tuple[Axes, Axes]:
        """``R`` and ``Q`` of one point as heat maps (default: the lowest minimum)."""
        return self._point(key).plot_overlaps(axes)

    def plot_disconnectivity(self, ax: Axes | None = None) -> Axes:
        """The tree in which minima merge at the lowest saddle that joins them."""
        from relu_landscape_client import plots

        return plots.disconnectivity(self, ax)

    def _point(self, key: str | None) -> FixedPoint:
        if key is not None:
            return self.fixed_points[key]
        if not self.fixed_points:
            raise ValueError("this landscape has no fixed points to draw")
        return self.fixed_points[0]
