"""What one more student does at a fixed point, as it is answered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relu_landscape.wire.base import Count, Wire


class WiderEnd(Wire):
    """Where gradient flow with one student more ends, inside the teacher's span."""

    kind: Literal["minimum", "saddle", "global_continuum"] | None = Field(
        description="of the landscape one student wider; null where the flow did not arrive. A "
        "saddle only where its negative eigenvalues are outside the teacher's span"
    )
    loss: float | None = Field(description="there; null where the flow did not arrive")
    structure: str | None = Field(
        description="its name, for example '1+6 extra 1'; 'zero loss' on the continuum"
    )
    is_global: bool
    reason: str | None = Field(description="why the flow did not arrive, or was not followed")


class AddedStudent(Wire):
    """The best student to add: the one whose adding lowers the loss most."""

    value: float = Field(
        description="D(u) = E[(output - teacher's output) s(u.x)] of its direction, s the "
        "activation, the lowest found; negative"
    )
    cosines: list[float] = Field(
        description="of its direction with the teacher units, in the order of the point's overlaps"
    )
    norm: float = Field(description="its length, -2 D (with a leak c, over 1 + c^2)")
    gain: float = Field(
        description="by how much the loss falls when it is added, exactly D^2 (over 1 + c^2)"
    )
    loss: float = Field(description="when it is added, before anything else moves")
    leads_to: WiderEnd = Field(description="where gradient flow goes from there")


class SplitStudent(Wire):
    """One student in two parallel parts: a line of critical points one student wider."""

    eigenvalue_span: float | None = Field(
        description="smallest second derivative of parting in the teacher's span across the "
        "student, times mu (1 - mu) for parts mu and 1 - mu; null where the span is a line"
    )
    eigenvalue_perpendicular: float | None = Field(
        description="the same perpendicular to the span; null when d = M"
    )
    index: Count = Field(description="negative eigenvalues at every point of the line")
    saddle_line: bool = Field(description="whether the line consists of saddles")


class SplitWay(Wire):
    """The way down from the student that parts most readily, split in halves."""

    student: int = Field(description="its place in the order of the point's overlaps, from 0")
    leads_to: WiderEnd


class Widening(Wire):
    """What one more student does at a fixed point."""

    best: AddedStudent | None = Field(description="null where no student lowers the loss")
    lower_bound: float | None = Field(
        description="proved: D of every unit vector, in whatever input dimension, is at least "
        "this, rounded downwards; no student gains more than its square, none at all where it is "
        "not negative. null: not proved"
    )
    guaranteed_gain: float = Field(
        description="the best student gains at least this at a critical point: (2 L / sum of the "
        "teacher units' norms)^2 (over 1 + c^2)"
    )
    residual: float = Field(
        description="2 L + the sum over teacher units of their norm times D: zero at a critical "
        "point up to rounding, a check"
    )
    splits: list[SplitStudent] = Field(description="of each student, in the order of the overlaps")
    split_way: SplitWay | None = Field(
        description="null where no student parts in the teacher's span"
    )
