"""What is expected to take too much is refused at the door, with both numbers."""

from __future__ import annotations

from typing import Any

import pytest

from relu_landscape.engine.tasks import Expected
from relu_landscape.errors import TeacherError, TooCostly
from relu_landscape.jobs.admission import admit, judge, limits_cost
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.trajectories import TrajectoryRequest

LANDSCAPE = "relu_landscape.engine.landscape:COMPOSITION"
TRAJECTORY = "relu_landscape.engine.dynamics:COMPOSITION"
TAKES = Expected({"sample": 7200.0, "classify": 34.5}, 2.5e9)


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


def test_without_limits_nothing_is_judged() -> None:
    assert not limits_cost(Settings())
    assert limits_cost(Settings(largest_stored_bytes=1.0))
    admit(LANDSCAPE, LandscapeRequest(student_width=40, teacher_width=40, starts=10**6), None)


def test_a_landscape_is_judged_by_its_model() -> None:
    small = LandscapeRequest(student_width=3, teacher_width=3, starts=10)
    large = LandscapeRequest(student_width=20, teacher_width=20, starts=100_000)
    limits = Settings(largest_core_seconds=20.0)
    admit(LANDSCAPE, small, limits)
    with pytest.raises(TooCostly, match="here it may take 20"):
        admit(LANDSCAPE, large, limits)


def test_a_kind_without_a_model_is_let_in() -> None:
    asked = TrajectoryRequest.model_validate(
        {"student_width": 2, "teacher_width": 2, "method": "flow"}
    )
    admit(TRAJECTORY, asked, Settings(largest_core_seconds=1e-6))


def test_what_only_the_engine_can_refuse_is_refused_with_and_without_limits() -> None:
    asked = LandscapeRequest(
        student_width=2, teacher_width=2, teacher_gram=((1.0, 1.0), (1.0, 1.0))
    )
    for limits in (None, Settings(largest_core_seconds=1.0)):
        with pytest.raises(TeacherError):
            admit(LANDSCAPE, asked, limits)
