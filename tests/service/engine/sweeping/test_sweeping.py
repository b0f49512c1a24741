"""Cells and rows of a sweep, on the real engine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pytest

from relu_landscape.engine.sweeping import COMPOSITION, Problem
from relu_landscape.engine.sweeping.grid import teacher_gram
from relu_landscape.errors import InputError
from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.sweeps import Sweep, SweepRequest


def asked(base: dict[str, Any], grid: dict[str, Any]) -> SweepRequest:
    return SweepRequest.model_validate({"base": base, "grid": grid})


def test_cells_are_the_product_in_the_order_of_the_axes() -> None:
    problem = Problem(asked({}, {"extra_students": [0, -1], "teacher_width": [3, 2]}))
    assert [problem.widths(cell) for cell in range(4)] == [(3, 3), (2, 3), (2, 2), (1, 2)]
    assert problem.coordinates[1] == {"teacher_width": 3, "extra_students": -1}


def test_teachers_of_a_family_have_its_norms_and_cosines() -> None:
    """Against vectors: norms and inner products of V, where T = V V^T."""
    gram = np.array(teacher_gram(5, {"teacher_correlation": 0.25, "teacher_decay": 0.5}))
    V = np.linalg.cholesky(gram)
    norms = np.linalg.norm(V, axis=1)
    # Five roundings per entry of T, carried into V by a condition number below 20.
    accuracy = 100 * np.finfo(float).eps
    assert norms == pytest.approx([1 / math.sqrt(m) for m in range(1, 6)], rel=accuracy)
    cosines = (V @ V.T) / np.outer(norms, norms)
    assert cosines[~np.eye(5, dtype=bool)] == pytest.approx(0.25, rel=accuracy)


@pytest.mark.parametrize("axis", [{"teacher_correlation": [0.0]}, {"teacher_decay": [0.0]}])
def test_an_orthonormal_teacher_of_a_family_is_the_ordinary_one(axis: dict[str, Any]) -> None:
    problem = Problem.from_request(asked({"K": 3, "width": 2}, axis))
    alone = LandscapeRequest(student_width=2, teacher_width=3)
    assert problem.request(0).content_id("cpu") == alone.content_id("cpu")


def test_every_field_of_a_landscape_reaches_its_cell() -> None:
    base = {
        "K": 3, "starts": 7, "seed": 5, "input_dimension": 50, "flow_tolerance": 1e-4,
        "precision": "float32", "structures": ["1+2"], "saddles": True, "widen": True,
        "certify": "fast", "init_scale": 0.5, "structured": True,
    }  # fmt: skip
    problem = Problem.from_request(asked(base, {"width": [3]}))
    wanted = LandscapeRequest.model_validate({**base, "width": 3})
    assert problem.request(0) == wanted


def test_the_leak_is_an_axis_and_zero_is_the_ordinary_landscape() -> None:
    problem = Problem.from_request(asked({"K": 3, "width": 3}, {"leak": [0.0, 0.5, -0.25]}))
    wanted = [
        LandscapeRequest(student_width=3, teacher_width=3, leak=leak) for leak in (0.0, 0.5, -0.25)
    ]
    assert [problem.request(cell) for cell in range(3)] == wanted
    assert "leak" not in wanted[0].canonical()


def test_a_cell_that_makes_no_sense_is_named_and_a_grid_of_them_refused() -> None:
    mixed = Problem.from_request(asked({"K": 3, "width": 2}, {"teacher_correlation": [-0.5, 0.5]}))
    with pytest.raises(InputError, match=r"teacher_correlation = -0\.5 .* above -1 / 2"):
        mixed.request(0)
    none = asked({"K": 2}, {"extra_students": [-2, -3]})
    with pytest.raises(InputError, match=r"No cell of the grid .* student_width = 0"):
        Problem.from_request(none)


@pytest.fixture(scope="module")
def found() -> Sweep:
    """K = 1 has closed forms: docs/mathematics/widening.md."""
    request = asked({"width": 1, "starts": 40, "certify": "fast"}, {"K": [1, 2, 3]})
    return Sweep.model_validate(solve_locally(request, workers=1).result)


def test_rows_say_what_closed_forms_say(found: Sweep) -> None:
    """One student: L = M/4 + M (M - 1)/(4 pi) - M^2 phi(1/sqrt M)^2, its only minimum."""

    def phi(c: float) -> float:
        return (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c) / (2 * math.pi)

    for row in found.rows:
        M = row.teacher_width
        loss = M / 4 + M * (M - 1) / (4 * math.pi) - M**2 * phi(1 / math.sqrt(M)) ** 2
        [minimum] = row.minima
        # Terms of the loss are of the size M^2 / 4 and cancel: each is rounded.
        assert minimum.loss == pytest.approx(loss, abs=M**2 * 1e-15)
        assert minimum.certified
        assert (row.certified, minimum.hits) == (1, 40)
    one, two, _ = found.rows
    assert (one.zero_loss_hits, one.zero_loss_probability, one.spurious_minima) == (40, 1.0, 0)
    assert one.lowest_spurious_loss is None
    assert (two.zero_loss_hits, two.spurious_minima) == (0, 1)
    assert two.lowest_spurious_loss == two.minima[0].loss
    # Wilson for 0 of 40, z = 1.96: the upper end is z^2 / (n + z^2).
    z2 = 1.959963984540054**2
    assert two.zero_loss_interval_95 is not None
    assert two.zero_loss_interval_95[0] == 0.0
    # Some ten roundings.
    assert two.zero_loss_interval_95[1] == pytest.approx(z2 / (40 + z2), rel=1e-14)


def test_the_table_is_the_same_whoever_computes_it(tmp_path: Any, found: Sweep) -> None:
    """From results that were kept, and without those of one cell: the same bytes."""
    request = found.request
    first = solve_locally(request, workers=1, kept=tmp_path).result
    files = sorted(tmp_path.glob("*.json"))
    assert len(files) == 3
    assert {orjson.loads(file.read_bytes())["id"] for file in files} == {
        row.landscape for row in found.rows
    }
    files[0].unlink()
    before = {file: file.stat().st_mtime_ns for file in files[1:]}
    again = solve_locally(request, workers=1, kept=tmp_path).result
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == before
    assert files[0].is_file()
    assert again["digest"] == first["digest"] == found.digest
    assert COMPOSITION.task_type("cell").kind == "cell"
