"""A short call: one minimum as a function of the learning rate."""

from __future__ import annotations

from relu_landscape.engine.dynamics.learning_rates import loss_shift
from relu_landscape.engine.dynamics.second_moment import SecondMoment
from relu_landscape.engine.families.asking import family_cost
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.tasks import Cost
from relu_landscape.errors import InputError
from relu_landscape.wire.families import FamilyQuery
from relu_landscape.wire.learning_rates import LearningRates, LearningRatesQuery, RatedLoss

#: Seconds of one set of four students (measured at widths of 17 and 32), and of the pencil's
#: eigenvalue per cubed number of unknowns.
SECONDS_PER_SET, SECONDS_PER_CUBE = 1.2e-5, 2e-10


def learning_rates_cost(query: LearningRatesQuery) -> Cost:
    """Of ``learning_rates_answer``: the search, or the pencil where that is longer."""
    searching = family_cost(_family_query(query))
    units = query.student_width + query.teacher_width
    unknowns = query.student_width * (query.student_width + 1) / 2
    seconds = SECONDS_PER_SET * units**4 / 24.0 + SECONDS_PER_CUBE * unknowns**3
    if searching.seconds > seconds:
        return Cost(searching.seconds + seconds, searching.field, searching.instead)
    return Cost(searching.seconds + seconds, "student_width", "ask for a smaller width")


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
        curve=[
            RatedLoss(
                learning_rate=rate,
                first_order=found.loss + slope * rate,
                loss=found.loss + moment.rise(rate),
            )
            for rate in rates
        ],
    )


def _family_query(query: LearningRatesQuery) -> FamilyQuery:
    return FamilyQuery(
        student_width=query.student_width,
        teacher_width=query.teacher_width,
        structure=query.structure,
        branch=query.branch,
    )
