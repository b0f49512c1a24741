"""What learning rates do to the minima of a landscape, as it is answered.

Learning rates are gamma of one-pass SGD, a step of which is ``w -= (gamma / d)`` times the gradient
of one input's loss. Losses are those for d to infinity.
"""

from __future__ import annotations

from pydantic import Field

from relu_landscape.wire.base import Wire

#: Students of the equation of second moments, whose P4 is over every four of them, and students
#: and teachers together of fixed points and fluctuations, which need Sigma over and over.
LARGEST_SECOND_ORDER, LARGEST_EQUATIONS = 24, 24


class Fluctuations(Wire):
    """How far SGD strays from a minimum within the teacher's span, to first order in gamma/d.

    Multiplied by gamma/d, ``variance`` and ``largest`` are of weights and ``loss`` is what they add
    to the loss.
    """

    variance: float = Field(description="trace of the covariance of all weights in the span")
    largest: float = Field(description="its largest eigenvalue")
    loss: float


class AtRate(Wire):
    """A minimum at one learning rate."""

    learning_rate: float
    first_order: float = Field(description="loss + slope gamma")
    second_order: float | None = Field(
        description="loss with what second moments outside the span feed back, the part in the "
        "span held; null where they grow"
    )
    fixed_point: float | None = Field(
        description="loss where the equations for d to infinity come to rest; null where they were "
        "not found to"
    )
    eigenvalue: float | None = Field(
        description="largest of the operator on second moments outside the span; below zero they "
        "stay bounded"
    )
    stable: bool | None = Field(
        description="whether the fixed point was found and attracts, within the span and outside; "
        "where it was not looked for, whether the eigenvalue is below zero"
    )
    deviation: float | None = Field(
        description="root mean square distance from the minimum within the span, at the request's d"
    )


class PointRates(Wire):
    """A minimum under one-pass SGD."""

    slope: float = Field(
        description="d loss / d gamma at 0: sum_i E[e^2 1_i] / 4, with a leak the square of the "
        "unit's derivative for 1_i; any width"
    )
    critical_rate: float | None = Field(
        description="learning rate from which second moments outside the span grow, the part in "
        "the span held: exact at zero loss, elsewhere to second order, and a minimum may be stable "
        "to less or more; null where it was not computed"
    )
    plane: Fluctuations | None = Field(description="null where they were not computed")
    reasons: list[str] = Field(description="why something here is null, as sentences")
    at: list[AtRate] = Field(description="at each learning rate of the request")


class RatedMinimum(Wire):
    """One minimum in the learning-rate diagram."""

    minimum: str = Field(description="its key")
    loss: float = Field(description="at learning rate 0")
    critical_rate: float | None
    survives_to: float | None = Field(
        description="the largest of the learning rates, up to which it is stable at each; null "
        "where it is at none, or nothing is known"
    )
    losses: list[float | None] = Field(
        description="at each learning rate by the best that was computed: of the fixed point, of "
        "second order; null where it is not stable or that is not known"
    )


class Surviving(Wire):
    """Which minima are stable at one learning rate."""

    learning_rate: float
    minima: list[str]
    unknown: list[str] = Field(description="of which it was not computed")


class LearningRateDiagram(Wire):
    """Which minima survive up to which learning rate."""

    learning_rates: list[float]
    minima: list[RatedMinimum] = Field(description="isolated ones, by loss")
    surviving: list[Surviving]
