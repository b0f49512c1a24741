"""Certificates, attribution and transitions inside a whole landscape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine import solve, verify
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.certificates import points as textbook


def landscape(**request: Any) -> dict[str, Any]:
    return solve(LandscapeRequest.model_validate(request).canonical())


@pytest.fixture(scope="module")
def six() -> dict[str, Any]:
    return landscape(student_width=6, teacher_width=6, starts=40, saddles=True, certify="fast")


def by_loss(found: dict[str, Any], loss: float) -> dict[str, Any]:
    points = found["landscape"]["fixed_points"]
    return dict(min(points, key=lambda point: abs(point["loss"] - loss)))


def test_every_isolated_point_is_certified(six: dict[str, Any]) -> None:
    for point in six["landscape"]["fixed_points"]:
        certificate = point["certificate"]
        assert certificate["verdict"] == point["kind"]
        assert certificate["weights"] == six["details"][point["key"]]["weights"]
        assert certificate["index"] == point["stability"]["index"]
    assert all(item["holds"] for item in verify({**six["landscape"], "details": six["details"]}))


def test_hits_are_attributed_by_proof(six: dict[str, Any]) -> None:
    best = by_loss(six, 0.0)["attraction"]
    assert best["hits"] == 40
    assert 0 < best["attributed"] <= best["hits"]


def test_the_passes_of_width_six(six: dict[str, Any]) -> None:
    """Figures of docs/mathematics/families.md: barriers 1.2e-5 and copies of the global minimum."""
    keys = {p["key"]: p for p in six["landscape"]["fixed_points"]}
    one = by_loss(six, 0.025080581)
    passes = [t for t in six["landscape"]["transitions"] if one["key"] in t["minima"]]
    lowest = min(passes, key=lambda t: keys[t["saddle"]]["loss"])
    assert keys[lowest["saddle"]]["loss"] == pytest.approx(0.025092331, abs=1e-9)
    assert min(lowest["barriers"]) == pytest.approx(1.1750e-5, abs=1e-9)
    assert lowest["relation"] == "different"
    copies = [t for t in six["landscape"]["transitions"] if t["minima"] == ["m1", "m1"]]
    assert copies
    assert not any(t["same_copy"] for t in copies)
    graph = six["landscape"]["disconnectivity"]
    assert {leaf["key"] for leaf in graph["leaves"]} == {k for k in keys if k.startswith("m")}


def test_a_saddle_has_a_downhill_direction(six: dict[str, Any]) -> None:
    """Independent of the spectrum reported: the textbook Hessian, dense."""
    for point in six["landscape"]["fixed_points"]:
        W = np.asarray(six["details"][point["key"]]["weights"])
        negative = int(np.sum(np.linalg.eigvalsh(textbook.hessian(W, 6)) < -1e-9))
        assert negative == point["stability"]["index"]


def test_the_continuum_is_refused_with_the_reason() -> None:
    found = landscape(
        student_width=4, teacher_width=3, starts=10, structured=False, certify="strict"
    )
    (point,) = found["landscape"]["fixed_points"]
    assert point["kind"] == "global_continuum"
    assert point["continuum_dimension"] == 1
    assert point["attraction"]["hits"] == 10
    assert point["certificate"]["verdict"] == "not certified"
    assert "continuum" in point["certificate"]["reason"]


def test_named_structures_are_all_that_is_searched() -> None:
    found = landscape(student_width=7, teacher_width=7, starts=0, structures=["1+6"])
    searched = found["landscape"]["searched"]["structures"]
    assert [item["structure"] for item in searched] == ["1+6"]
    assert found["landscape"]["unseen_mass"] is None
    assert all(p["found_by"] == ["structured"] for p in found["landscape"]["fixed_points"])
