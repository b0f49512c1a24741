"""A short call: one minimum as a function of the learning rate."""

from __future__ import annotations

from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import loss_shift
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.errors import InputError
from relu_landscape.wire.learning_rates import LearningRates, LearningRatesQuery, RatedLoss


def learning_rates_answer(query: LearningRatesQuery) -> LearningRates:
    """``second_moment.SecondMoment`` at a point of a family; numbers are in the units of the query.

    Raises ``InputError`` for widths, names and branches that do not exist, and for saddles.
    """
    found = family(
        query.student_width, query.teacher_width, query.structure, query.branch, query.leak
    )
    if not found.stability.attractive:
        raise InputError("This point is a saddle, which gradient flow leaves: ask for a minimum.")
    # In the engine's unit losses are over the height, learning rates times it.
    height, W = activation.height(query.leak), embed(Point.from_wire(found.point))
    teacher = make_teacher(query.teacher_width, leak=query.leak)
    noise, batch = query.label_noise / (1.0 - query.leak), query.batch_size
    moment = SecondMoment.at(W, teacher, label_noise=noise, batch_size=batch)
    slope = loss_shift(W, teacher, label_noise=noise, batch_size=batch) * height * height
    critical, loss = moment.critical_rate / height, found.loss
    rates = [critical * k / (query.points + 1) for k in range(1, query.points + 1)]
    return LearningRates(
        family=found.family,
        structure=found.structure,
        branch=found.branch,
        student_width=found.student_width,
        teacher_width=found.teacher_width,
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
