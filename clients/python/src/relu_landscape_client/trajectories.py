"""Trajectories of gradient flow and one-pass SGD: runs, their statistics, and where they lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    OURS,
    Document,
    each,
    integer,
    mapping,
    nullable,
    number,
    optional,
    required,
)
from relu_landscape_client._sealed import Sealed

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class LossCurve:
    """The loss over the runs still on their way: how many were ``running``, their ``mean``,
    ``standard_deviation`` and ``quantiles`` by probability, each over the times; NaN without any.
    """

    running: tuple[int, ...]
    mean: Floats
    standard_deviation: Floats
    quantiles: Mapping[str, Floats]

    @classmethod
    def from_document(cls, document: Document) -> LossCurve:
        """Read; raises ``ProtocolError`` where a member is missing."""
        quantiles = mapping(required(document, "quantiles"))
        return cls(
            running=each(required(document, "running"), integer),
            mean=array(required(document, "mean")),
            standard_deviation=array(required(document, "standard_deviation")),
            quantiles={str(name): array(values) for name, values in quantiles.items()},
        )


@dataclass(frozen=True)
class RunSummary:
    """What became of one run: its ``outcome`` in a sentence, the loss at first and at last, and the
    key of the ``attractor`` beneath its end."""

    key: str
    start: int | None
    outcome: str
    reached_end: bool
    ended_at: float
    first_loss: float
    last_loss: float
    attractor: str | None
    attractor_outcome: str | None

    @classmethod
    def read(cls, document: Document) -> dict[str, Any]:
        """The members, as keyword arguments; raises ``ProtocolError`` where one is missing."""
        return {
            "key": str(required(document, "key")),
            "start": nullable(document, "start", integer),
            "outcome": str(required(document, "outcome")),
            "reached_end": bool(required(document, "reached_end")),
            "ended_at": number(required(document, "ended_at")),
            "first_loss": number(required(document, "first_loss")),
            "last_loss": number(required(document, "last_loss")),
            "attractor": nullable(document, "attractor", str),
            "attractor_outcome": nullable(document, "attractor_outcome", str),
        }

    @classmethod
    def from_document(cls, document: Document) -> RunSummary:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(**cls.read(document))


@dataclass(frozen=True, eq=False)
class TrajectoryRun(RunSummary):
    """One run over its ``times``: ``loss`` and ``gradient_norm`` (times), ``norms`` and
    ``matched_teacher`` (times, students), ``R`` and ``Q`` at the ``overlap_times``; NaN from where
    it had ended. With the rule ``two_layer`` ``second_layer`` (times, students) are its weights,
    and norms, ``R`` and ``Q`` are of ``a_i w_i``; otherwise it is None. Everything the server told
    is in ``document``."""

    times: Floats
    loss: Floats
    gradient_norm: Floats
    norms: Floats
    matched_teacher: Floats
    overlap_times: Floats
    R: Floats
    Q: Floats
    second_layer: Floats | None
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> TrajectoryRun:
        """Read an answer of ``/v1/trajectories/{id}/runs/{key}``; raises ``ProtocolError``."""
        curves = {
            name: array(required(document, name))
            for name in ("times", "loss", "gradient_norm", "overlap_times")
        }
        stacks = {
            name: _stacked(required(document, name))
            for name in ("norms", "matched_teacher", "R", "Q")
        }
        members: dict[str, Any] = {**cls.read(document), **curves, **stacks}
        second = optional(document, "second_layer", _stacked)
        return cls(**members, second_layer=second, document=document)


def _stacked(rows: Any) -> Floats:
    """Vectors or matrices one after another, those that are null as NaN."""
    found = each(rows, lambda row: None if row is None else array(row))
    shapes = [row.shape for row in found if row is not None]
    if not shapes:
        return array([np.nan] * len(found))
    empty = np.full(shapes[0], np.nan)
    return array([empty if row is None else row for row in found])


@dataclass(frozen=True, eq=False)
class Attractor:
    """Where gradient flow, or the descent by the rule, goes from the ends of ``runs`` many runs;
    ``R`` and ``Q`` are those of the first of them. ``attractive`` is None for the continuum of
    global minima."""

    key: str
    loss: float
    is_global: bool
    is_continuum: bool
    attractive: bool | None
    runs: int
    R: Floats
    Q: Floats

    @classmethod
    def from_document(cls, document: Document) -> Attractor:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            loss=number(required(document, "loss")),
            is_global=bool(required(document, "is_global")),
            is_continuum=bool(required(document, "is_continuum")),
            attractive=nullable(document, "attractive", bool),
            runs=integer(required(document, "runs")),
            R=array(required(document, "R")),
            Q=array(required(document, "Q")),
        )


@dataclass(frozen=True, eq=False)
class Trajectory(Sealed):
    """A finished trajectory: ``times``, the ``loss`` over all runs, what became of each of the
    ``runs``, and the ``attractors`` beneath their ends, by loss.

    ``steps`` are those at the times, of SGD or of the flow by a rule, whose length is ``step``;
    else both are None. A run's own curves are fetched by its key (``Client.run``).
    ``critical_learning_rate`` is the largest at which the global minimum is stable (equal widths,
    orthonormal teacher, no rule; else None). Two trajectories with the same digest are the same,
    and compare equal.
    """

    id: str
    digest: str
    request: Mapping[str, Any]
    times: Floats
    steps: tuple[int, ...] | None
    step: float | None
    critical_learning_rate: float | None
    loss: LossCurve
    runs: tuple[RunSummary, ...]
    attractors: tuple[Attractor, ...]
    provenance: Mapping[str, Any]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Trajectory:
        """Read a result; raises ``ProtocolError`` where it is none."""
        return cls(
            id=str(required(document, "id")),
            digest=str(required(document, "digest")),
            request=mapping(required(document, "request")),
            times=array(required(document, "times")),
            steps=nullable(document, "steps", lambda steps: each(steps, integer)),
            step=optional(document, "step", number),
            critical_learning_rate=nullable(document, "critical_learning_rate", number),
            loss=LossCurve.from_document(mapping(required(document, "loss"))),
            runs=each(required(document, "runs"), RunSummary.from_document),
            attractors=each(required(document, "attractors"), Attractor.from_document),
            provenance=mapping(required(document, "provenance")),
            document=document,
        )

    def __repr__(self) -> str:
        asked = self.request
        return (
            f"<Trajectory ({self._words}) of {asked.get('student_width')} students and "
            f"{asked.get('teacher_width')} teachers: {len(self.runs)} runs to time "
            f"{self.times[-1]:g}>"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """The mean loss against time, with the band of all but a tenth of the runs where there are
        several, and the losses of the attractors that are not global."""
        from relu_landscape_client import plots

        low, high = (self.loss.quantiles.get(name) for name in ("0.05", "0.95"))
        band = None
        if len(self.runs) > 1 and low is not None and high is not None:
            band = low, high
        is_logarithmic = self.request.get("spacing") == "logarithmic"
        return plots.losses(
            self.times,
            self.loss.mean,
            band,
            {one.key: one.loss for one in self.attractors if not one.is_global},
            ax,
            linear_until=number(self.request.get("first_time")) if is_logarithmic else None,
            title=f"{self._words}, {len(self.runs)} runs",
        )

    @property
    def _words(self) -> str:
        """Method and, where it has one, rule."""
        rule = self.request.get("rule")
        return f"{self.request.get('method')}" + (f", {rule}" if rule else "")
