"""Which minima one-pass SGD reaches, and how often, beside gradient flow from the same starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

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
    pair,
    required,
)
from relu_landscape_client._sealed import Tabular
from relu_landscape_client.parts import Attraction
from relu_landscape_client.points import FixedPoint, FixedPoints

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Columns of the tables of ``Frequencies``.
COLUMNS: _frames.Columns = {
    "learning_rate": "float", "relative_learning_rate": "float", "end": "text",
    "is_fixed_point": "truth", "flow_hits": "int", "flow_probability": "float",
    "flow_low": "float", "flow_high": "float", "sgd_hits": "int", "sgd_probability": "float",
    "sgd_low": "float", "sgd_high": "float", "difference": "float", "difference_low": "float",
    "difference_high": "float", "mean_loss": "float",
}  # fmt: skip


@dataclass(frozen=True)
class Reached:
    """How often one ``end`` (a fixed point's key, or an outcome in words) is reached ``by_flow``
    and ``by_sgd``, and the ``difference`` of the paired shares with its 95% interval.

    ``mean_loss`` is that of the SGD runs which end there, noise included; NaN without any.
    """

    end: str
    is_fixed_point: bool
    by_flow: Attraction
    by_sgd: Attraction
    difference: float
    difference_interval_95: tuple[float, float]
    mean_loss: float

    @classmethod
    def from_document(cls, document: Document) -> Reached:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            end=str(required(document, "end")),
            is_fixed_point=bool(required(document, "is_fixed_point")),
            by_flow=Attraction.from_document(mapping(required(document, "by_flow"))),
            by_sgd=Attraction.from_document(mapping(required(document, "by_sgd"))),
            difference=number(required(document, "difference")),
            difference_interval_95=pair(required(document, "difference_interval_95"), number),
            mean_loss=number(required(document, "mean_loss")),
        )

    @property
    def row(self) -> dict[str, Any]:
        """Its columns of a table."""
        (flow_low, flow_high), (low, high) = self.by_flow.interval_95, self.by_sgd.interval_95
        return {
            "end": self.end, "is_fixed_point": self.is_fixed_point,
            "flow_hits": self.by_flow.hits, "flow_probability": self.by_flow.probability,
            "flow_low": flow_low, "flow_high": flow_high,
            "sgd_hits": self.by_sgd.hits, "sgd_probability": self.by_sgd.probability,
            "sgd_low": low, "sgd_high": high, "difference": self.difference,
            "difference_low": self.difference_interval_95[0],
            "difference_high": self.difference_interval_95[1], "mean_loss": self.mean_loss,
        }  # fmt: skip


@dataclass(frozen=True)
class Transition:
    """How many ``starts`` gradient flow takes to the end ``flow``, and SGD to the end ``sgd``."""

    flow: str
    sgd: str
    starts: int

    @classmethod
    def from_document(cls, document: Document) -> Transition:
        """Read; raises ``ProtocolError`` where a member is missing."""
        flow, sgd = (str(required(document, name)) for name in ("flow", "sgd"))
        return cls(flow=flow, sgd=sgd, starts=integer(required(document, "starts")))


@dataclass(frozen=True)
class StartEnds:
    """What became of one start: the end of gradient flow, those beneath SGD at each time, how often
    it ``moved`` between fixed points, and its last loss; NaN where it ran away."""

    start: int
    flow: str
    ends: tuple[str, ...]
    moved: int
    loss: float
    ran_away_at: float

    @classmethod
    def from_document(cls, document: Document) -> StartEnds:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            start=integer(required(document, "start")),
            flow=str(required(document, "flow")),
            ends=each(required(document, "ends"), str),
            moved=integer(required(document, "moved")),
            loss=number(required(document, "loss")),
            ran_away_at=number(required(document, "ran_away_at")),
        )


@dataclass(frozen=True, eq=False)
class RateFrequencies:
    """One-pass SGD at one learning rate: a row per end in ``reached``, the ``transitions`` from the
    ends of gradient flow, how many starts ``moved`` 0, 1, 2, ... times, and every start.

    ``relative_learning_rate`` is in multiples of the largest stable one; NaN where that is not
    known.
    """

    learning_rate: float
    relative_learning_rate: float
    times: Floats
    steps: tuple[int, ...]
    reached: tuple[Reached, ...]
    missing_mass: Mapping[str, float]
    transitions: tuple[Transition, ...]
    moved: tuple[int, ...]
    starts: tuple[StartEnds, ...]

    @classmethod
    def from_document(cls, document: Document) -> RateFrequencies:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            learning_rate=number(required(document, "learning_rate")),
            relative_learning_rate=number(required(document, "relative_learning_rate")),
            times=array(required(document, "times")),
            steps=each(required(document, "steps"), integer),
            reached=each(required(document, "reached"), Reached.from_document),
            missing_mass=mapping(required(document, "missing_mass")),
            transitions=each(required(document, "transitions"), Transition.from_document),
            moved=each(required(document, "moved"), integer),
            starts=each(required(document, "starts"), StartEnds.from_document),
        )

    @property
    def ends(self) -> tuple[str, ...]:
        """What every end is called, fixed points first."""
        return tuple(one.end for one in self.reached)

    @property
    def matrix(self) -> NDArray[np.int64]:
        """Starts (ends, ends) by the end of gradient flow (row) and that of SGD (column)."""
        place = {end: number for number, end in enumerate(self.ends)}
        found = np.zeros((len(place), len(place)), dtype=np.int64)
        for one in self.transitions:
            found[place[one.flow], place[one.sgd]] = one.starts
        return found

    def shares(self, end: str) -> Floats:
        """Share of the starts at each time beneath which this end is."""
        return array([
            sum(start.ends[check] == end for start in self.starts) / len(self.starts)
            for check in range(len(self.times))
        ])  # fmt: skip

    def __repr__(self) -> str:
        often = ", ".join(
            f"{one.end}: {one.by_sgd.probability:.3g}" for one in self.reached if one.by_sgd.hits
        )
        return f"<RateFrequencies at {self.learning_rate:g}: {often}>"


@dataclass(frozen=True, eq=False)
class Frequencies(Tabular):
    """Frequencies of SGD beside those of gradient flow: the ``fixed_points`` (whose attraction is
    that of gradient flow), and one of the ``rates`` for each learning rate.

    ``critical_learning_rate`` is the largest at which the global minimum is stable (NaN where that
    is not known). Two answers with the same digest are the same, and compare equal.
    """

    _columns: ClassVar[_frames.Columns] = COLUMNS

    id: str
    digest: str
    request: Mapping[str, Any]
    starts: Mapping[str, Any]
    missing_mass: Mapping[str, float]
    critical_learning_rate: float
    fixed_points: FixedPoints
    rates: tuple[RateFrequencies, ...]
    searched: tuple[Mapping[str, Any], ...]
    explanation: str
    provenance: Mapping[str, Any]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Frequencies:
        """Read a result; raises ``ProtocolError`` where it is none."""
        critical = nullable(document, "critical_learning_rate", number)
        return cls(
            id=str(required(document, "id")),
            digest=str(required(document, "digest")),
            request=mapping(required(document, "request")),
            starts=mapping(required(document, "starts")),
            missing_mass=mapping(required(document, "missing_mass")),
            critical_learning_rate=np.nan if critical is None else critical,
            fixed_points=FixedPoints(
                each(required(document, "fixed_points"), FixedPoint.from_document)
            ),
            rates=each(required(document, "rates"), RateFrequencies.from_document),
            searched=each(required(document, "searched"), mapping),
            explanation=str(required(document, "explanation")),
            provenance=mapping(required(document, "provenance")),
            document=document,
        )

    def __repr__(self) -> str:
        asked = self.request
        return (
            f"<Frequencies of {asked.get('student_width')} students and "
            f"{asked.get('teacher_width')} teachers: {asked.get('starts')} starts, "
            f"{len(self.rates)} learning rates>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """A row per learning rate and end, as a pandas table (the extra ``frames``)."""
        return _frames.table(self._rows(), COLUMNS)

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "learning_rate": rate.learning_rate,
                "relative_learning_rate": rate.relative_learning_rate,
                **one.row,
            }
            for rate in self.rates
            for one in rate.reached
        ]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Share of each end against the learning rate with its 95% interval, and as a dashed line
        that of gradient flow (the extra ``plot``). Ends that nobody reaches are left out."""
        from relu_landscape_client import plots

        lines: dict[str, list[tuple[float, Attraction]]] = {}
        flow: dict[str, float] = {}
        for rate in self.rates:
            for one in rate.reached:
                lines.setdefault(one.end, []).append((rate.learning_rate, one.by_sgd))
                flow[one.end] = one.by_flow.probability
        drawn = {
            end: points
            for end, points in lines.items()
            if flow[end] > 0.0 or any(attraction.hits for _, attraction in points)
        }
        return plots.shares(drawn, flow, self.critical_learning_rate, ax)
