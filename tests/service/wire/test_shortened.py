"""What a job shows of a long request, and that it is read again without what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from relu_landscape.analyses import ANALYSES
from relu_landscape.wire import shortened
from relu_landscape.wire.descents import DescentsRequest
from relu_landscape.wire.frequencies import FrequenciesRequest
from relu_landscape.wire.perturbations import PerturbationsRequest
from relu_landscape.wire.points import PointsRequest
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest
from relu_landscape.wire.sweeps import SweepRequest
from relu_landscape.wire.trajectories import TrajectoryRequest

LONG = 128


def gram(width: int) -> list[list[float]]:
    """Units of length 0.01: what is asked fits the matrix, and not the identity."""
    return [[1e-4 if i == j else 1e-6 for j in range(width)] for i in range(width)]


def batch(count: int) -> PointsRequest:
    W = np.random.default_rng(0).standard_normal((count, 4, 9))
    return PointsRequest.model_validate(PointsRequest.of_arrays({"weights": W}, {}))


def landscape() -> LandscapeRequest:
    # The scale of its starts would be refused beside a teacher of unit norms.
    widths = {"student_width": LONG, "teacher_width": LONG}
    return LandscapeRequest(**widths, teacher_gram=gram(LONG), init_scale=5e-4, starts=0)


def trajectory() -> TrajectoryRequest:
    widths: dict[str, Any] = {"student_width": LONG, "teacher_width": LONG}
    W = np.random.default_rng(1).standard_normal((LONG, LONG)) / LONG**0.5
    return TrajectoryRequest(**widths, method="flow", weights=W.tolist(), overlaps_at="last time")


def frequencies() -> FrequenciesRequest:
    return FrequenciesRequest(
        student_width=1,
        teacher_width=LONG,
        teacher_gram=gram(LONG),
        init_scale=5e-4,
        learning_rates=(0.1,),
    )


def perturbations() -> PerturbationsRequest:
    W = np.random.default_rng(2).standard_normal((LONG, LONG)) / LONG**0.5
    return PerturbationsRequest.model_validate(
        {"student_width": LONG, "teacher_width": LONG, "weights": W.tolist(), "kicks": 10}
    )


def sweep() -> SweepRequest:
    """A sweep over a teacher of one's own could not be asked for."""
    base = {"teacher_width": LONG, "teacher_gram": gram(LONG), "init_scale": 5e-4, "starts": 0}
    return SweepRequest.model_validate({"base": base, "grid": {"student_width": [1, 2]}})


CASES: list[tuple[AnalysisRequest, list[str]]] = [
    (landscape(), ["teacher_gram"]),
    (trajectory(), ["weights"]),
    (batch(4000), ["reduced.numbers"]),
    (frequencies(), ["teacher_gram"]),
    (perturbations(), ["weights"]),
    (sweep(), ["base.teacher_gram"]),
]


def test_every_kind_has_a_case() -> None:
    """Layers of a request for descents have 20 kB at most."""
    cases = {type(case) for case, _ in CASES} | {DescentsRequest}
    assert {each.request for each in ANALYSES.analyses} == cases


@pytest.mark.parametrize(("asked", "names"), CASES)
def test_long_fields_are_left_out_and_the_rest_is_read_again(
    asked: AnalysisRequest, names: list[str]
) -> None:
    assert len(orjson.dumps(asked.canonical())) > shortened.LONGEST_SHOWN
    shown = shortened.shown(asked)
    assert shown is not None
    assert shown.left_out == names
    stored = orjson.dumps(shown.request)
    assert len(stored) < 2000
    read = shortened.read(type(asked), orjson.loads(stored))
    assert read == shortened.without(asked, names)
    # In a status it stays what it is: judged alone it would be refused, or be another question.
    analysis = ANALYSES.analysis(asked.kind)
    status = analysis.status(
        id="a", kind=asked.kind, state="queued", request=read, created_at="now", started_at=None,
        finished_at=None, progress={}, findings=[], error=None, attempts=0,
        needs={"algorithm": "5", "backend_class": "cpu"}, left_out=names,
    )  # fmt: skip
    assert status.model_dump(mode="json")["request"] == orjson.loads(stored)
    assert status.listed.left_out[: len(names)] == names


def test_short_requests_are_shown_whole() -> None:
    for asked in (batch(1), LandscapeRequest(student_width=9, teacher_width=9)):
        assert shortened.shown(asked) is None


def test_shapes_are_shown_without_the_numbers() -> None:
    shown = shortened.shown(batch(4000))
    assert shown is not None
    assert shown.request["reduced"] == {
        "points": 4000, "student_width": 4, "teacher_width": 4, "columns": 8, "numbers": None,
    }  # fmt: skip


def test_what_is_shown_is_no_question() -> None:
    """It lacks the numbers, and must not be taken for a question without them."""
    shown = shortened.shown(batch(4000))
    assert shown is not None
    with pytest.raises(ValueError, match="without numbers"):
        PointsRequest.model_validate(shown.request)
