"""Answers that a real service gave, kept beside the page and its tests, as the service's models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relu_landscape.engine.tasks import Composed
from relu_landscape.wire.base import Wire
from relu_landscape.wire.frequencies import FrequenciesBody
from relu_landscape.wire.landscape import (
    FixedPoint,
    FixedPointDetails,
    LandscapeBody,
    Space,
)
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest
from relu_landscape.wire.sweeps import SweepBody, SweepRequest
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape.wire.trajectory_answers import (
    RunDetails,
    TrajectoryBody,
)
from relu_landscape_api.routers.pages import EXPLORER

RECORDED = Path(__file__).parent / "recorded"


def stored_example() -> dict[str, Any]:
    """The landscape that a first visit shows."""
    return _read(EXPLORER / "example.json")


def recorded(name: str) -> dict[str, Any]:
    """Something kept for the tests alone."""
    return _read(RECORDED / f"{name}.json")


def composed(landscape: Mapping[str, Any]) -> Composed:
    """What the engine would have returned for this landscape."""
    body = LandscapeBody.model_validate(
        {name: landscape[name] for name in LandscapeBody.model_fields if name in landscape}
    )
    request = LandscapeRequest.model_validate(landscape["request"])
    return Composed(
        result=body, parts={each.key: _details(each, request) for each in body.fixed_points}
    )


def learned(request: AnalysisRequest) -> Composed:
    """What was recorded of the kinds beside landscapes, whatever their numbers are asked to be."""
    if isinstance(request, TrajectoryRequest):
        answer = recorded("trajectories")[request.method]
        parts = {key: _body(RunDetails, part) for key, part in answer["parts"].items()}
        return Composed(result=_body(TrajectoryBody, answer["result"]), parts=parts)
    if isinstance(request, SweepRequest):
        return Composed(result=_body(SweepBody, recorded("sweep")), parts={})
    return Composed(result=_body(FrequenciesBody, recorded("frequencies")), parts={})


def _body(shape: type[Wire], result: Mapping[str, Any]) -> Wire:
    return shape.model_validate({n: result[n] for n in shape.model_fields if n in result})


def _details(point: FixedPoint, request: LandscapeRequest) -> FixedPointDetails:
    """Weights of an orthonormal teacher are the overlaps R; eigenvalues are the spectrum's."""
    copies = request.input_dimension - request.teacher_width
    return FixedPointDetails(
        weights=point.overlaps.R,
        teacher=[
            [float(row == column) for column in range(request.teacher_width)]
            for row in range(request.teacher_width)
        ],
        eigenvalues_span=_eigenvalues(point, "span"),
        eigenvalues_perpendicular=_eigenvalues(point, "perpendicular", copies),
        perpendicular_copies=copies,
    )


def _eigenvalues(point: FixedPoint, space: Space, copies: int = 1) -> list[float]:
    return [
        line.eigenvalue
        for line in point.stability.spectrum
        if line.space == space
        for _ in range(int(line.multiplicity) // copies)
    ]


def _read(path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(path.read_text())
    return answer
