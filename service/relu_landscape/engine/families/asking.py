"""What a question about a family costs, judged from its words before anything is computed.

The process that judges computes nothing, so what is imported here is light.
"""

from __future__ import annotations

import math

from relu_landscape.engine.families.effort import effort
from relu_landscape.engine.families.structures import Structure, parse
from relu_landscape.engine.families.wellknown import named
from relu_landscape.engine.tasks import Cost
from relu_landscape.errors import InputError
from relu_landscape.wire.families import ContinuationQuery, FamilyQuery
from relu_landscape.wire.leaks import LeaksQuery
from relu_landscape.wire.learning_rates import LearningRatesQuery

#: A search takes some times its patience: measured 1.3 to 4 for 5 to 30 unknowns.
PATIENCES = 4
#: Seconds of one point of a continuation and of one step along it (measured for 5 to 20 unknowns).
POINT_SECONDS, POINT_SECONDS_PER_UNKNOWN = 0.004, 0.0008
#: Steps of a continuation per factor of e in the width, at the least.
STEPS_PER_FOLD = 5
#: Seconds of one set of four units (measured at widths of 17 and 24), and of an eigenvalue of the
#: pencil of second moments per cubed number of its unknowns.
SECONDS_PER_SET, SECONDS_PER_CUBE = 1.2e-5, 2e-10

FEWER_BLOCKS = (
    "name a structure of fewer blocks, or let a landscape search it (POST /v1/landscapes with "
    "starts 0 and this structure in structures)"
)
FEWER_POINTS = "ask for fewer points"


def family_cost(query: FamilyQuery) -> Cost:
    """Of ``answers.family_answer``: the search of the structure. Raises ``InputError``."""
    structure = _structure(query.structure, query.teacher_width, query.student_width)
    return Cost(_search_seconds(structure), "structure", FEWER_BLOCKS)


def continuation_cost(query: ContinuationQuery) -> Cost:
    """Of ``answers.continuation_answer``: the search, the points and the steps between them."""
    structure = _structure(query.structure, query.from_width)
    searching = _search_seconds(structure)
    if structure is None:
        return Cost(searching, "structure", FEWER_BLOCKS)
    unknowns = effort(structure).unknowns
    steps = STEPS_PER_FOLD * abs(math.log(query.to_width / query.from_width))
    each = POINT_SECONDS + POINT_SECONDS_PER_UNKNOWN * unknowns
    following = each * (query.points + steps)
    if searching > following:
        return Cost(searching + following, "structure", FEWER_BLOCKS)
    return Cost(searching + following, "points", FEWER_POINTS)


def leaks_cost(query: LeaksQuery) -> Cost:
    """Of ``answers.leaks_answer``: the search, the points and the steps between them."""
    structure = _structure(query.structure, query.teacher_width, query.student_width)
    searching = _search_seconds(structure)
    if structure is None:
        return Cost(searching, "structure", FEWER_BLOCKS)
    way = 2.0 * abs(math.atanh(query.to_leak) - math.atanh(query.from_leak))
    each = POINT_SECONDS + POINT_SECONDS_PER_UNKNOWN * effort(structure).unknowns
    following = each * (query.points + STEPS_PER_FOLD * way)
    if searching > following:
        return Cost(searching + following, "structure", FEWER_BLOCKS)
    return Cost(searching + following, "points", FEWER_POINTS)


def learning_rates_cost(query: LearningRatesQuery) -> Cost:
    """Of ``dynamics.answers.learning_rates_answer``: the search, and the pencil after it."""
    structure = _structure(query.structure, query.teacher_width, query.student_width)
    searching = _search_seconds(structure)
    units = query.student_width + query.teacher_width
    unknowns = query.student_width * (query.student_width + 1) / 2
    seconds = SECONDS_PER_SET * units**4 / 24.0 + SECONDS_PER_CUBE * unknowns**3
    if searching > seconds:
        return Cost(searching + seconds, "structure", FEWER_BLOCKS)
    return Cost(searching + seconds, "student_width", "ask for a smaller width")


def _search_seconds(structure: Structure | None) -> float:
    if structure is None:
        return 0.0
    needs = effort(structure)
    return PATIENCES * needs.patience / needs.round_starts * needs.round_seconds


def _structure(
    name: str, teacher_width: float, student_width: float | None = None
) -> Structure | None:
    """What is searched, or None where the name is none: what computes says why."""
    family = named(name)
    try:
        if family:
            return parse(family.pattern, teacher_width=family.anchor)
        return parse(name, teacher_width=teacher_width, student_width=student_width)
    except InputError:
        return None
