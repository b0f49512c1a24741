"""What may be asked: the fields of requests, as keyword arguments.

What is left out, or None, takes the server's default. A server knows its own fields and refuses
others by name, so further ones may be passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict


class Options(TypedDict, total=False):
    """Fields of a landscape's request."""

    starts: int
    seed: int
    input_dimension: int
    init_scale: float
    teacher_gram: Any
    flow_tolerance: float
    precision: Literal["float64", "float32"]
    leak: float
    structured: bool
    structures: Sequence[str]
    saddles: bool
    widen: bool
    learning_rates: Sequence[float]
    certify: Literal["none", "fast", "strict"]


class SweepOptions(Options, total=False):
    """What every cell of a sweep has in common: fields of a landscape's request."""

    student_width: int
    teacher_width: int


Rule = Literal[
    "gradient_flow", "gradient_descent", "normalised", "orthonormalised", "two_layer"
]  # fmt: skip


class TrajectoryOptions(TypedDict, total=False):
    """Fields of a trajectory's request."""

    method: Literal["flow", "ode", "sgd"]
    rule: Rule
    step: float
    start_layer: float
    learning_rate: float
    batch_size: int
    label_noise: float
    input_dimension: int
    teacher_gram: Any
    seed: int
    start: int
    init_scale: float
    weights: Any
    Q: Any
    R: Any
    until: float
    points: int
    spacing: Literal["linear", "logarithmic"]
    first_time: float
    runs: int
    own_starts: bool
    overlaps_at: Literal["all times", "last time"]
    attractors: bool
    flow_tolerance: float
    leak: float
    student_layer: Sequence[float]
    teacher_layer: Sequence[float]


class FrequenciesOptions(TypedDict, total=False):
    """Fields of a request for frequencies of SGD."""

    learning_rates: Sequence[float]
    relative_learning_rates: Sequence[float]
    until: float
    checks: int
    first_check: float
    batch_size: int
    label_noise: float
    starts: int
    seed: int
    input_dimension: int
    init_scale: float
    teacher_gram: Any
    flow_tolerance: float
    leak: float
    structured: bool


class PerturbationsOptions(TypedDict, total=False):
    """Fields of a request for perturbations of a fixed point."""

    structure: str
    branch: int
    weights: Any
    sizes: Sequence[float]
    kicks: int
    seed: int
    input_dimension: int
    flow_tolerance: float
    leak: float
    certify: Literal["none", "fast", "strict"]


class DescentsOptions(TypedDict, total=False):
    """Fields of a request for descents, beside the widths and the rule."""

    step: float
    student_layer: Sequence[float]
    teacher_layer: Sequence[float]
    teacher_gram: Any
    start_layer: float
    init_scale: float
    starts: int
    seed: int
    input_dimension: int
    until: float
    flow_tolerance: float
    structured: bool


class DescentsQuestion(DescentsOptions, total=False):
    """The same with the rule."""

    rule: Rule


class PointsOptions(TypedDict, total=False):
    """Fields of a request about given networks, beside the weights and the teacher."""

    teacher_gram: Any
    Q: Any
    R: Any
    second_layer: Any
    teacher_second_layer: Any
    teacher_width: int
    input_dimension: int
    single_precision: bool
    sample_size: int
    label_noise: float
    follow: bool
    nearest: int
    spectrum: bool
    widening: bool
    certify: Literal["none", "fast", "strict"]
    flow_tolerance: float
