"""What is expected to take too much is refused at the door, with both numbers."""

from __future__ import annotations

from typing import Any

import pytest

from relu_landscape.engine.tasks import Expected
from relu_landscape.errors import TeacherError, TooCostly
from relu_landscape.jobs.admission import admit, judge
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.trajectories import TrajectoryRequest

LANDSCAPE = "relu_landscape.engine.landscape:COMPOSITION"
TRAJECTORY = "relu_landscape.engine.dynamics:COMPOSITION"
TAKES = Expected({"sample": 7200.0, "classify": 34.5}, 2.5e9)


def _square(width: int, starts: int) -> LandscapeRequest:
    return LandscapeRequest(student_width=width, teacher_width=width, starts=starts)


@pytest.mark.parametrize(
    ("limits", "numbers"),
    [
        ({"largest_core_seconds": 7000.0}, ("7,230 processor seconds", "7,000")),
        ({"largest_core_seconds": 0.25}, ("7,230 processor seconds", "0.25")),
        ({"largest_stored_bytes": 1e9}, ("2,500,000,000 bytes", "1,000,000,000")),
    ],
)
def test_both_numbers_are_said(limits: dict[str, Any], numbers: tuple[str, str]) -> None:
    with pytest.raises(TooCostly) as refused:
        judge(TAKES, Settings.load(**limits))
    for number in numbers:
        assert number in str(refused.value)


def test_what_is_within_both_limits_is_let_in() -> None:
    judge(TAKES, Settings(largest_core_seconds=7235.0, largest_stored_bytes=2.6e9))


def test_without_limits_everything_is_let_in_and_little_is_small() -> None:
    sizes = {
        starts: admit(LANDSCAPE, _square(17, starts), Settings(small_job_seconds=20.0))
        for starts in (100, 10**6)
    }
    assert sizes == {100: True, 10**6: False}
    assert not admit(LANDSCAPE, _square(17, 100), Settings(small_job_seconds=0.0))


def test_a_landscape_is_judged_by_its_model() -> None:
    limits = Settings(largest_core_seconds=20.0)
    assert admit(LANDSCAPE, _square(3, 10), limits)
    with pytest.raises(TooCostly, match="here it may take 20"):
        admit(LANDSCAPE, _square(20, 100_000), limits)


def test_a_kind_without_a_model_is_let_in() -> None:
    asked = TrajectoryRequest.model_validate(
        {"student_width": 2, "teacher_width": 2, "method": "flow"}
    )
    assert not admit(TRAJECTORY, asked, Settings(largest_core_seconds=1e-6))


def test_what_only_the_engine_can_refuse_is_refused_with_and_without_limits() -> None:
    asked = LandscapeRequest(
        student_width=2, teacher_width=2, teacher_gram=((1.0, 1.0), (1.0, 1.0))
    )
    for limits in (Settings(), Settings(largest_core_seconds=1.0)):
        with pytest.raises(TeacherError):
            admit(LANDSCAPE, asked, limits)
