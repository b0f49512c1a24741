"""Whole landscapes by the native kernel: NumPy's counts, and the same bytes however it is cut."""

from __future__ import annotations

from functools import cache

import pytest

from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import NUMPY as ARRAYS
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Composed, run_here
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import as_bytes, body, solve
from tests.service.engine.lanes.setups import KERNELS, name

EACH = pytest.mark.parametrize("kernel", KERNELS, ids=name)
SHAPES = pytest.mark.parametrize("shape", [(7, 7), (5, 4), (3, 5)])


def request(K: int, M: int) -> LandscapeRequest:
    return LandscapeRequest(
        student_width=K, teacher_width=M, starts=60, structured=False, input_dimension=M + 3,
        seed=4,
    )  # fmt: skip


def solved(shape: tuple[int, int], kernel: Kernel | None, chunk: int | None = None) -> Composed:
    asked = request(*shape)
    backend = Backend("here", ARRAYS, kernel=kernel)
    run = run_here(COMPOSITION.problem(asked), backend)
    return solve(asked, run=run, chunk_starts=chunk)


by_arrays = cache(solved)


@EACH
@SHAPES
def test_counts_are_those_of_the_arrays(kernel: Kernel, shape: tuple[int, int]) -> None:
    mine, theirs = body(solved(shape, kernel)), body(by_arrays(shape, None))
    assert mine.starts == theirs.starts
    assert len(mine.fixed_points) == len(theirs.fixed_points)
    for found, wanted in zip(mine.fixed_points, theirs.fixed_points, strict=True):
        assert (found.key, found.kind) == (wanted.key, wanted.kind)
        assert found.attraction is not None
        assert wanted.attraction is not None
        assert found.attraction.hits == wanted.attraction.hits
        # Both are Newton's last iterate, to rounding (points.classify).
        assert found.loss == pytest.approx(wanted.loss, rel=1e-12, abs=1e-14)


@EACH
@SHAPES
@pytest.mark.parametrize("chunk", [1, 9])
def test_the_cut_does_not_matter(kernel: Kernel, shape: tuple[int, int], chunk: int) -> None:
    assert as_bytes(solved(shape, kernel, chunk)) == as_bytes(solved(shape, KERNELS[0]))
