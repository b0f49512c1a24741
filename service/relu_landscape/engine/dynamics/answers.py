"""A short call: one minimum as a function of the learning rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.family import family, leaking
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import loss_shift
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.errors import InputError
from relu_landscape.wire.learning_rates import LearningRates, LearningRatesQuery, RatedLoss

Real = NDArray[np.float64]


@dataclass(frozen=True)
class _Asked:
    """The point that is asked about: weights ``W`` (K, M), its loss in the unit of
    ``model.activation``, what it is called."""

    W: Real
    loss: float
    is_global: bool
    attractive: bool
    structure: str
    branch: int | None


def learning_rates_answer(query: LearningRatesQuery) -> LearningRates:
    """``second_moment.SecondMoment`` at a point of a family; numbers are in the units of the query.

    Raises ``InputError`` for widths, names and branches that do not exist, and for saddles.
    """
    found = _asked(query)
    if not found.attractive:
        raise InputError("This point is a saddle, which gradient flow leaves: ask for a minimum.")
    # In the engine's unit losses are over the height, learning rates times it.
    height, W = activation.height(query.leak), found.W
    teacher = make_teacher(query.teacher_width, leak=query.leak)
    noise, batch = query.label_noise / (1.0 - query.leak), query.batch_size
    moment = SecondMoment.at(W, teacher, label_noise=noise, batch_size=batch)
    slope = loss_shift(W, teacher, label_noise=noise, batch_size=batch) * height * height
    critical, loss = moment.critical_rate / height, found.loss * height
    rates = [critical * k / (query.points + 1) for k in range(1, query.points + 1)]
    return LearningRates(
        family=query.structure,
        structure=found.structure,
        branch=found.branch,
        student_width=query.student_width,
        teacher_width=query.teacher_width,
        loss=loss,
        is_global=found.is_global,
        slope=slope,
        critical_rate=critical,
        is_second_order=not found.is_global or noise > 0.0,
        curve=[
            RatedLoss(
                learning_rate=rate,
                first_order=loss + slope * rate,
                loss=loss + moment.rise(rate * height) * height,
            )
            for rate in rates
        ],
    )


def _asked(query: LearningRatesQuery) -> _Asked:
    K, M, name, branch = (
        query.student_width, query.teacher_width, query.structure, query.branch
    )  # fmt: skip
    if query.leak != 0.0:
        chosen = leaking(K, M, name, query.leak, branch)
        return _Asked(
            W=embed(chosen.point),
            loss=chosen.loss,
            is_global=chosen.is_global,
            attractive=chosen.verdict.attractive,
            structure=chosen.point.structure.name,
            branch=chosen.number,
        )
    found = family(K, M, name, branch)
    return _Asked(
        W=embed(Point.from_wire(found.point)),
        loss=found.loss,
        is_global=found.is_global,
        attractive=found.stability.attractive,
        structure=found.structure,
        branch=found.branch,
    )
