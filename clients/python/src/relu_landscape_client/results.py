"""What comes back: a landscape, frozen, with everything in it.

It is read from the server's JSON document, which stays at hand as ``document``: what a newer
server adds is there, although these classes do not know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relu_landscape_client import _files, _frames, presenting
from relu_landscape_client._decode import (
    OURS,
    Document,
    each,
    integer,
    mapping,
    nullable,
    number,
    optional,
    pair,
    required,
)
from relu_landscape_client._sealed import Sealed
from relu_landscape_client.disconnectivity import Disconnectivity
from relu_landscape_client.errors import ProtocolError
from relu_landscape_client.lines import SaddleLine
from relu_landscape_client.points import FixedPoint, FixedPoints
from relu_landscape_client.rated import LearningRateDiagram

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes


#: What was asked for, in each row of a landscape's tables.
ASKED: _frames.Columns = {"student_width": "int", "teacher_width": "int", "seed": "int"}


@dataclass(frozen=True)
class Pathway:
    """A saddle of index 1 and the two minima that its unstable directions lead to.

    ``barriers`` are the saddle's loss above either minimum; ``relation`` says how the two labelled
    ends compare: ``same copy`` (one point), ``student order`` (students exchanged), ``relabelled``
    (students and teachers), ``same continuum`` (both among the global minima), or ``different``
    (two minima).
    """

    saddle: str
    minima: tuple[str, str]
    relation: str
    barriers: tuple[float, float]

    @classmethod
    def from_document(cls, document: Document) -> Pathway:
        """Read; raises ``ProtocolError`` where a member is missing, or the minima are not two."""
        return cls(
            saddle=str(required(document, "saddle")),
            minima=pair(required(document, "minima"), str),
            relation=str(required(document, "relation")),
            barriers=pair(required(document, "barriers"), number),
        )


@dataclass(frozen=True, eq=False)
class Landscape(Sealed):
    """Everything found: ``fixed_points`` in canonical order, minima by loss, then saddles.

    ``request`` echoes the question with every default filled in, ``provenance`` says who computed
    the answer with what, ``starts`` what became of the random starts, ``missing_mass`` how likely
    the next start ends somewhere not listed, ``searched`` what the structured search covered.
    ``disconnectivity`` is None unless saddles were asked for, ``learning_rates`` (as
    ``learning_rate_diagram``) unless learning rates were. ``saddle_lines`` are critical points
    that are not isolated; a server of an older version tells of none. ``digest`` is the SHA-256 of
    everything but the provenance: two landscapes with the same digest are the same, and compare
    equal.
    """

    id: str
    digest: str
    request: Mapping[str, Any]
    fixed_points: FixedPoints
    saddle_lines: tuple[SaddleLine, ...]
    pathways: tuple[Pathway, ...]
    starts: Mapping[str, Any]
    missing_mass: Mapping[str, float] | None
    searched: Mapping[str, Any]
    provenance: Mapping[str, Any]
    disconnectivity: Disconnectivity | None
    learning_rates: LearningRateDiagram | None
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Landscape:
        """Read a result; raises ``ProtocolError`` where it is none, or one of release 0.1."""
        _refuse_old_names(document)
        return cls(
            id=str(required(document, "id")),
            digest=str(required(document, "digest")),
            request=mapping(required(document, "request")),
            fixed_points=FixedPoints(
                each(required(document, "fixed_points"), FixedPoint.from_document)
            ),
            saddle_lines=each(document.get("saddle_lines", []), SaddleLine.from_document),
            pathways=each(required(document, "pathways"), Pathway.from_document),
            starts=mapping(required(document, "starts")),
            missing_mass=nullable(document, "missing_mass", mapping),
            searched=mapping(required(document, "searched")),
            provenance=mapping(required(document, "provenance")),
            disconnectivity=optional(document, "disconnectivity", Disconnectivity.from_document),
            learning_rates=optional(document, "learning_rates", LearningRateDiagram.from_document),
            document=document,
        )

    def __repr__(self) -> str:
        counts = f"{len(self.minima)} minima, {len(self.saddles)} saddles"
        return f"<Landscape of {self._widths}: {counts}>"

    @property
    def _widths(self) -> str:
        return presenting.widths(self)

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
        """A table with a row per fixed point, indexed by key (needs pandas).

        Widths and seed stand in each row, so that tables of several landscapes can be joined.
        """
        return _frames.dataframe([point.row() for point in self.fixed_points], self._asked)

    def to_parquet(self, path: str | Path) -> None:
        """The table of ``to_dataframe`` in Parquet (needs pyarrow), with id, digest and request as
        its metadata; orbit sizes, which may be beyond 64 bits, as text."""
        rows = [self._asked | point.row() for point in self.fixed_points]
        _frames.write_parquet(path, rows, {**ASKED, **_frames.COLUMNS}, self._origin)

    @property
    def _asked(self) -> dict[str, Any]:
        return {name: self.request.get(name) for name in ASKED}

    def learning_rate_diagram(self) -> LearningRateDiagram:
        """Which minima survive up to which of the request's learning rates.

        Raises ``ValueError`` where the landscape was computed without learning rates.
        """
        if self.learning_rates is None:
            raise ValueError(
                "this landscape was computed without learning rates: "
                "ask for it with learning_rates=[0.05, 0.1], for example"
            )
        return self.learning_rates

    def to_xarray(self) -> xr.Dataset:
        """Losses, overlaps, norms and attraction as one dataset over ``key``, ``student``,
        ``student_2`` and ``teacher`` (needs xarray)."""
        points, K, M = self.fixed_points, self.student_width, self.teacher_width
        rows = [point.row() for point in points]

        def stacked(name: str, *shape: int) -> Any:
            # Without points there is no shape to be read off.
            return np.array([getattr(point, name) for point in points]).reshape(len(rows), *shape)

        variables: dict[str, tuple[tuple[str, ...], Any]] = {
            name: (("key",), [row[name] for row in rows])
            for name in ("kind", "loss", "is_global", "probability", "hits", "min_eigenvalue_span")
        }
        variables["R"] = (("key", "student", "teacher"), stacked("R", K, M))
        variables["Q"] = (("key", "student", "student_2"), stacked("Q", K, K))
        variables["norms"] = (("key", "student"), stacked("norms", K))
        keys = [point.key for point in points]
        return _frames.dataset(keys, variables, {"id": self.id, "digest": self.digest})

    def to_npz(self, path: str | Path) -> None:
        """Write the arrays (``R_m1``, ``Q_m1``, ``eigenvalues_m1``, ...) and the whole result."""
        arrays: dict[str, Any] = {
            "keys": np.array([point.key for point in self.fixed_points], dtype=np.str_),
            "loss": np.array([point.loss for point in self.fixed_points]),
        }
        for point in self.fixed_points:
            arrays[f"R_{point.key}"] = point.R
            arrays[f"Q_{point.key}"] = point.Q
            arrays[f"norms_{point.key}"] = point.norms
            arrays[f"eigenvalues_{point.key}"] = point.spectrum.eigenvalues
        _files.write_npz(path, self.document, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Landscape:
        """Read what ``to_json`` or ``to_npz`` wrote.

        Raises ``FileError`` where it is neither, ``ProtocolError`` where release 0.1 wrote it.
        """
        return cls.from_document(_files.read(path))

    def to_latex(self, caption: str | None = None) -> str:
        """The fixed points as a LaTeX table (package booktabs), ready to be included."""
        return presenting.latex(self, caption)

    def to_networkx(self) -> nx.DiGraph[str]:
        """The disconnectivity graph (needs networkx), edges from where minima join downwards.

        Nodes have ``kind`` (``minimum`` or ``join``) and ``loss``, joins their ``saddle`` too.
        Raises ``ValueError`` where the landscape was computed without saddles.
        """
        return presenting.graph(self._graph())

    def to_bibtex(self) -> str:
        """BibTeX entries to cite this very result, by its digest, and the paper it follows."""
        return presenting.bibtex(self)

    def _repr_html_(self) -> str:
        """A small ladder and a table, as a notebook shows it."""
        return presenting.html(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The loss ladder: each fixed point at its loss (upwards) and its probability (across)."""
        from relu_landscape_client import plots

        return plots.ladder(self.fixed_points, ax, title=self._widths)

    def plot_spectrum(self, key: str | None = None, ax: Axes | None = None) -> Axes:
        """Eigenvalues against multiplicities of one point (default: the lowest minimum)."""
        return self._point(key).plot_spectrum(ax)

    def plot_overlaps(
        self, key: str | None = None, axes: Sequence[Axes] | None = None
    ) -> tuple[Axes, Axes]:
        """``R`` and ``Q`` of one point as heat maps (default: the lowest minimum)."""
        return self._point(key).plot_overlaps(axes)

    def plot_disconnectivity(self, ax: Axes | None = None) -> Axes:
        """The trees in which minima merge at the lowest saddle that joins them.

        Raises ``ValueError`` where the landscape was computed without saddles.
        """
        from relu_landscape_client import plots

        groups = {point.key: plots.group(point) for point in self.fixed_points}
        return plots.disconnectivity(self._graph(), groups, ax)

    def _graph(self) -> Disconnectivity:
        if self.disconnectivity is None:
            raise ValueError(
                "this landscape was computed without saddles, which is what joins its minima: "
                "ask for it with saddles=True"
            )
        return self.disconnectivity

    def _point(self, key: str | None) -> FixedPoint:
        if key is not None:
            return self.fixed_points[key]
        if not self.fixed_points:
            raise ValueError("this landscape has no fixed points to draw")
        return self.fixed_points[0]


def _refuse_old_names(document: Document) -> None:
    """Say what a result of release 0.1 is, rather than which of its members is missing."""
    if "pathways" not in document and "transitions" in document:
        raise ProtocolError(
            "this landscape is of release 0.1, whose names and algorithm were others: "
            "compute it again"
        )
