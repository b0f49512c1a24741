"""What is answered of a trajectory: runs, their statistics, and where they lead.

Time is that of ``trajectories``. Losses are in units of squared output.
"""

from __future__ import annotations

from pydantic import Field

from relu_landscape.wire.base import Wire


class TrajectoryFinding(Wire):
    """How far a trajectory is."""

    time: float = Field(description="time up to which every run was followed")
    loss: float | None = Field(description="mean loss there; null: every run has ended before")


Curve = list[float | None]


class LossCurve(Wire):
    """The loss over the runs that were still on their way, at each time."""

    running: list[int] = Field(description="runs that had not ended before")
    mean: Curve
    standard_deviation: Curve = Field(description="between runs; null for fewer than two")
    quantiles: dict[str, Curve] = Field(description="by probability: 0.05, 0.25, 0.5, 0.75, 0.95")


class Run(Wire):
    """One run."""

    key: str = Field(description="name within this trajectory: r1, r2")
    start: int | None = Field(description="number of its random start; null where it was given")
    outcome: str = Field(description="what became of it, one sentence")
    reached_end: bool
    ended_at: float = Field(description="time at which it ended, or was found to have")
    first_loss: float
    last_loss: float | None = Field(description="at the last time; null where it ended before")
    attractor: str | None = Field(description="key of where the rule's descent goes from its end")
    attractor_outcome: str | None = Field(description="what became of that descent, one sentence")


class RunDetails(Wire):
    """One run at each time; null after its end. Students are in the order of the start."""

    times: list[float]
    loss: Curve
    gradient_norm: Curve = Field(description="of the population gradient on the rule's surface")
    norms: list[list[float] | None] = Field(description="of the students; of a_i w_i: two_layer")
    matched_teacher: list[list[int] | None] = Field(
        description="for each student the teacher, from 0, of nearest direction up to its sign"
    )
    overlap_times: list[float] = Field(description="times at which R and Q were kept")
    R: list[list[list[float]] | None] = Field(
        description="student-teacher overlaps; of two_layer those of a_i w_i, which say the loss"
    )
    Q: list[list[list[float]] | None] = Field(description="student-student overlaps, likewise")
    second_layer: list[list[float] | None] | None = Field(
        None,
        exclude_if=lambda layer: layer is None,
        description="two_layer: second-layer weights a_i at each of the times",
    )


class RunInFull(Run, RunDetails):
    """One run with its curves."""


class Attractor(Wire):
    """Where gradient flow, or descents by the rule, go from the ends of runs, up to symmetry."""

    key: str = Field(description="name within this trajectory, by loss: a1, a2")
    loss: float = Field(description="0 where its accuracy cannot tell it from zero")
    is_global: bool
    is_continuum: bool = Field(description="the set of global minima that K > M has")
    attractive: bool | None = Field(
        description="no negative eigenvalue in input_dimension, along the rule's surface; null for "
        "the continuum, and where Newton's method finds no isolated point"
    )
    runs: int = Field(description="from how many ends it is reached")
    R: list[list[float]] = Field(description="student-teacher overlaps of the first of them")
    Q: list[list[float]] = Field(description="student-student overlaps of the first of them")


class TrajectoryBody(Wire):
    """The runs, what they have in common, and where they lead."""

    times: list[float] = Field(description="as recorded; where there are steps, of whole ones")
    steps: list[int] | None = Field(description="of SGD, or of flow by a rule; else null")
    step: float | None = Field(
        None, exclude_if=lambda step: step is None, description="of flow by a rule; else left out"
    )
    critical_learning_rate: float | None = Field(
        description="largest at which the global minimum is stable; K = M, orthonormal, without a "
        "rule and with second layers of 1, else null"
    )
    loss: LossCurve
    runs: list[Run]
    attractors: list[Attractor]
