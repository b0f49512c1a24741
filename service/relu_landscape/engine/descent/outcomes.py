"""What can become of a start. The value is the sentence that users read."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """End of one start of gradient flow."""

    FIXED_POINT = "converged to an isolated fixed point"
    GLOBAL_SET = "reached the set of global minima (zero loss)"
    NO_POINT = (
        "came to rest where Newton's method finds no fixed point; "
        "the flow is on a flat set or at a point where the gradient does not exist"
    )
    UNDECIDED = (
        "came to rest near a minimum that was found, but could not be shown to go there: "
        "its curvature changes between the two"
    )
    SADDLE = "rested at a saddle again and again, however often it was pushed off"
    STEP_LIMIT = (
        "did not settle within the step limit; it may be creeping along a nearly flat valley: "
        "a smaller flow_tolerance rarely helps, a different init_scale may"
    )
    NOT_FINITE = "left the range of floating-point numbers; use a smaller init_scale"
    VANISHED = (
        "came to rest with a student of norm zero that nothing pulls away from there: "
        "a set of fixed points on which that student's direction is free"
    )
    OUTSIDE_SPAN = (
        "came to rest with a part outside the teacher's span, "
        "a set of fixed points that is not described by its overlaps alone"
    )

    @property
    def converged(self) -> bool:
        """Whether the start counts as converged."""
        return self in (Outcome.FIXED_POINT, Outcome.GLOBAL_SET)
