"""Published points (``data/known_points.json`` says whose), found again without the engine."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.service.engine.certificates.points import descend, newton
from tests.service.engine.oracles import Real

_DATA = json.loads((Path(__file__).parent / "data" / "known_points.json").read_text())
WELL_SPECIFIED: list[dict[str, Any]] = _DATA["well_specified"]["points"]
ONE_MORE: list[dict[str, Any]] = _DATA["one_more_student"]["points"]


def name(point: dict[str, Any]) -> str:
    """For the test report."""
    width = point.get("width", point.get("teacher_width"))
    return f"{width}:{point['loss']:.4f}"


@cache
def _locate(width: int, anti_aligned: int, extra: tuple[float, ...]) -> Real:
    W = np.eye(width)
    W[:anti_aligned] = 2.0 / width - W[:anti_aligned]
    if extra:
        last = np.where(np.arange(width) < anti_aligned, extra[0], extra[1])
        W = np.vstack([W, last])
    found = newton(descend(W, width, 4000 if not extra else 1500), width)
    found.flags.writeable = False
    return found


def locate(point: dict[str, Any]) -> Real:
    """Weights (K, M): symmetric guess, plain gradient descent, textbook Newton. Read-only."""
    width = point.get("width", point.get("teacher_width"))
    return _locate(width, point["anti_aligned"], tuple(point.get("extra", ())))


def near_degenerate() -> Real:
    """The K = 18, M = 17 minimum of smallest eigenvalue 3.8e-5 (twice), saddles 1e-3 away."""
    return locate(ONE_MORE[-1])
