"""By which rule students move along a trajectory, where it is not gradient flow or plain SGD.

The rules, their bounds and their defaults are those of descents (``wire.descents``): a trajectory
of method ``flow`` makes the steps that descents make, and where any of them leads is judged as an
end of descents is.
"""

from __future__ import annotations

from pydantic import Field, FiniteFloat, ValidationError

from relu_landscape.errors import RequestError
from relu_landscape.wire.descents import (
    LARGEST_STEP,
    MOST_STEPS,
    SMALLEST_STEP,
    DescentsRequest,
    Rule,
)
from relu_landscape.wire.requests import LARGEST_START, SMALLEST_START, AnalysisRequest

#: Rules that keep the students' norms: lengths of the teacher are not a unit of theirs.
CONSTRAINED = ("normalised", "orthonormalised")
#: Rules of each method, beside gradient flow, which is the flow itself and plain SGD.
RULES_OF = {
    "flow": ("gradient_descent", "normalised", "orthonormalised", "two_layer"),
    "ode": ("normalised", "orthonormalised"),
    "sgd": ("normalised", "orthonormalised", "two_layer"),
}
#: Fields that a trajectory and descents have in common.
SHARED = (
    "student_width", "teacher_width", "rule", "step", "teacher_gram", "start_layer", "init_scale",
    "seed", "input_dimension", "flow_tolerance",
)  # fmt: skip
#: Steps of one run of SGD under a rule, and inputs of all: some three core hours at widths of
#: eight, where 80 us go to a step and 6 us to each of many runs (measured; with arrays).
MOST_STEPS_OF_SGD, MOST_INPUTS = 10**8, 10**9
#: Time after which a descent from an end is given up: the default of descents.
UNTIL: float = DescentsRequest.model_fields["until"].default


class Ruled(AnalysisRequest):
    """The fields of a trajectory's request that are about its rule."""

    rule: Rule = Field(
        "gradient_flow",
        exclude_if=lambda rule: rule == "gradient_flow",  # requests without one keep their ids
        description="as of descents. gradient_flow: no constraint, whatever the method; "
        "gradient_descent: full batch, in steps (flow alone); normalised: students of norm 1; "
        "orthonormalised: orthonormal ones; two_layer: the second layer moves too (flow, sgd). "
        "Where ends lead is then judged by descents of that rule",
    )
    step: FiniteFloat | None = Field(
        None,
        exclude_if=lambda step: step is None,
        ge=SMALLEST_STEP,
        le=LARGEST_STEP,
        description="flow by another rule than gradient_flow: its step, in units of time; null: "
        "that of descents, 8 / (K + max(K, M) + 8), half of it for two_layer",
    )
    start_layer: FiniteFloat | None = Field(
        None,
        exclude_if=lambda layer: layer is None,
        ge=SMALLEST_START,
        le=LARGEST_START,
        description="two_layer: second-layer weight of every student at the start; null: its norm, "
        "so that the two layers are balanced",
    )


def check_rule(request: Ruled, method: str, until: float) -> None:
    """Raise ``RequestError`` where rule and ``method``, or rule and place, do not go together.

    ``request`` is a trajectory's, ``until`` the time at which it ends.
    """
    rule = request.rule
    if request.step is not None and (method != "flow" or rule == "gradient_flow"):
        wanted = "left out but for flow by another rule than gradient_flow"
        raise RequestError("step", request.step, wanted)
    if request.start_layer is not None and rule != "two_layer":
        raise RequestError("start_layer", request.start_layer, "left out but for two_layer")
    if rule == "gradient_flow":
        return
    if rule not in RULES_OF[method]:
        raise RequestError("rule", rule, _why_not(rule, method))
    try:
        as_descents(request, until)
    except ValidationError as error:
        # What descents refuse is refused here in their words.
        raise error.errors()[0].get("ctx", {}).get("error", error) from error


def _why_not(rule: Rule, method: str) -> str:
    if rule == "gradient_descent":
        return f"of flow alone: {method} has steps of its own, by learning_rate"
    return (
        "of flow and sgd alone: ode follows overlaps of one layer, and has no equation of the "
        "second one"
    )


def check_ruled_steps(request: Ruled, steps: int, inputs: int, until: float) -> None:
    """Raise ``RequestError`` where SGD under a rule has too many ``steps`` or ``inputs`` in all."""
    excess = max(steps / MOST_STEPS_OF_SGD, inputs / MOST_INPUTS)
    if request.rule != "gradient_flow" and excess > 1.0:
        wanted = f"{MOST_STEPS_OF_SGD:,} steps of a run and {MOST_INPUTS:,} inputs in all"
        raise RequestError("until", until, f"at most {until / excess:.6g} with a rule: {wanted}")


def as_descents(request: Ruled, until: float) -> DescentsRequest:
    """The request for descents of the same rule, at the same place, from one start.

    It has the default time to end in, or that of the trajectory where it is longer.
    """
    longest = UNTIL if request.step is None else min(UNTIL, MOST_STEPS * request.step)
    shared = {name: getattr(request, name) for name in SHARED}
    return DescentsRequest(**shared, starts=1, until=max(longest, until))
