"""What a landscape will take: the short call agrees with the model and with the request."""

from __future__ import annotations

import pytest

from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.estimates import IDLE_BYTES, estimate_answer
from relu_landscape.errors import TeacherError
from relu_landscape.wire.requests import LandscapeRequest


def _asked(K: int, M: int, **options: object) -> LandscapeRequest:
    return LandscapeRequest.model_validate({"student_width": K, "teacher_width": M, **options})


def test_it_is_what_the_job_itself_expects() -> None:
    query = _asked(9, 8, starts=500, saddles=True, certify="fast")
    found = estimate_answer(query)
    assert COMPOSITION.expected is not None
    model = COMPOSITION.expected(COMPOSITION.problem(query))
    assert found.seconds == model.seconds
    assert found.core_seconds == sum(model.seconds.values())
    assert found.stored_bytes == model.stored_bytes
    assert {"pathways", "certify"} <= set(found.seconds)


def test_memory_follows_the_hessian_of_an_end_without_symmetry() -> None:
    """docs/operations.md has the measured peaks: 174 MB at 40 and 647 MB at 64 were the most."""
    assert 174e6 < estimate_answer(_asked(40, 40)).worker_bytes < 2 * 174e6
    assert 647e6 <= estimate_answer(_asked(64, 64)).worker_bytes < 1.2 * 647e6
    assert estimate_answer(_asked(64, 64, starts=0)).worker_bytes == IDLE_BYTES


@pytest.mark.parametrize(
    ("options", "beyond"),
    [
        ({}, False),
        ({"starts": 10_001}, True),
        ({"input_dimension": 1001}, True),
        ({"teacher_gram": [[2.0, 0.5], [0.5, 1.0]]}, True),
        ({"leak": 0.5}, True),
        ({"teacher_gram": [[1.0, 0.0], [0.0, 1.0]]}, False),
    ],
)
def test_it_says_where_nothing_was_measured(options: dict[str, object], beyond: bool) -> None:
    assert estimate_answer(_asked(2, 2, **options)).is_extrapolated is beyond


def test_an_impossible_teacher_is_refused() -> None:
    with pytest.raises(TeacherError):
        estimate_answer(_asked(2, 2, teacher_gram=[[1.0, 1.0], [1.0, 1.0]]))
