"""A short call: one minimum as a function of the learning rate."""

from __future__ import annotations

from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import loss_shift
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.errors import InputError
from relu_landscape.wire.learning_rates import LearningRates, LearningRatesQuery, RatedLoss


def learning_rates_answer(query: LearningRatesQuery) -> LearningRates:
    """``second_moment.SecondMoment`` at a point of a family.

    Raises ``InputError`` for widths, names and branches that do not exist, and for saddles.
    """
    found = family(query.student_width, query.teacher_width, query.structure, query.branch)
    if not found.stability.attractive:
        raise InputError("This point is a saddle, which gradient flow leaves: ask for a minimum.")
    W = embed(Point.from_wire(found.point))
    teacher = make_teacher(query.teacher_width)
    noise, batch = query.label_noise, query.batch_size
    moment = SecondMoment.at(W, teacher, label_noise=noise, batch_size=batch)
    slope = loss_shift(W, teacher, label_noise=noise, batch_size=batch)
    critical = moment.critical_rate
    rates = [critical * k / (query.points + 1) for k in range(1, query.points + 1)]
    return LearningRates(
        family=found.family,
        structure=found.structure,
        branch=found.branch,
        student_width=found.student_width,
        teacher_width=found.teacher_width,
        loss=found.loss,
        is_global=found.is_global,
        slope=slope,
        critical_rate=critical,
        is_second_order=not found.is_global or noise > 0.0,
        curve=[
            RatedLoss(
                learning_rate=rate,
                first_order=found.loss + slope * rate,
                loss=found.loss + moment.rise(rate),
            )
            for rate in rates
        ],
    )
