"""What the search found before it was made fast, it finds still; and what that costs, counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.families import reduced, rounds, search, solver
from relu_landscape.engine.families.compiled import kernel_beside
from relu_landscape.engine.families.effort import effort
from relu_landscape.engine.families.reduced import loss_accuracy
from relu_landscape.engine.families.structures import default_structures, parse
from relu_landscape.engine.lanes import native
from relu_landscape.engine.model.arrays import NUMPY, Backend, backend_named
from tests.service.engine.usual import here

RECORDED = json.loads(Path(__file__).with_name("found_before.json").read_text())["widths"]


def _missing(recorded: list[list[float]], found: list[search.CriticalPoint]) -> list[list[float]]:
    """Recorded points that no found one is: by loss, and both indices."""
    return [
        [loss, *indices]
        for loss, *indices in recorded
        if not any(
            abs(point.loss - loss) <= 2 * loss_accuracy(loss)
            and [point.index_span, point.summary.index_perpendicular] == indices
            for point in found
        )
    ]


@pytest.mark.parametrize("widths", RECORDED)
def test_every_point_that_was_found_before_is_found(widths: str) -> None:
    """The data: lists of version 0.1.0 (ALGORITHM 4), whose search was NumPy's alone."""
    students, teachers = map(int, widths.split())
    structures = default_structures(students, teachers)
    assert [structure.name for structure in structures] == list(RECORDED[widths])
    for structure in structures:
        found = search.search(structure, kernel=here())
        assert found.complete
        assert not _missing(RECORDED[widths][structure.name], found.points), structure.name
        assert all(point.gradient_norm < 1e-13 for point in found.points)


def test_without_a_kernel_the_same_points_are_found() -> None:
    for name, recorded in RECORDED["5 5"].items():
        assert not _missing(recorded, search.search(parse(name)).points), name


def test_with_a_kernel_arrays_are_evaluated_a_few_times_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was once for each of up to eighty trials, on ever fewer starts: nine parts of ten."""
    kernel = here()
    if kernel is None:
        pytest.skip("no native kernel was compiled here")
    calls: list[int] = []

    def counted(*arguments: Any) -> Any:
        calls.append(len(arguments[1]))
        return reduced.evaluate(*arguments)

    for module in (rounds, solver):
        monkeypatch.setattr(module, "evaluate", counted)
    structure = parse("1+2+4")
    rounds.run_round(structure, 0, 0, kernel=kernel)
    assert len(calls) == 1  # the eigenvalues by which flat families are told
    calls.clear()
    rounds.run_round(structure, 0, 0)
    assert len(calls) > 60


def test_points_of_a_turn_are_judged_in_few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was one batch for each round that brought a point, most of them of one or two."""
    batches: list[int] = []
    judged = search.judged

    def counted(structure: Any, together: Any) -> Any:
        batches.append(len(together))
        return judged(structure, together)

    monkeypatch.setattr(search, "judged", counted)
    found = search.search(parse("1+2+4"), kernel=here())
    assert len(found.points) == 9
    assert len(batches) < sum(batches)


def test_points_judged_together_are_those_judged_alone() -> None:
    structure = parse("1+2+4")
    state = search.Search(structure)
    found = [state.add(rounds.run_round(structure, 0, number)) for number in state.wanted()]
    fresh = [each for each in found if each is not None]
    assert len(fresh) > 2
    for item, together in zip(fresh, search.judged(structure, fresh), strict=True):
        (alone,) = search.judged(structure, [item])
        # Both at rest to rounding, which Hessians of order 1 to 1e-3 turn into this much.
        np.testing.assert_allclose(together.deviations, alone.deviations, rtol=0, atol=1e-12)
        np.testing.assert_allclose(together.loss, alone.loss, rtol=0, atol=1e-14)
        assert np.array_equal(together.signs, alone.signs)
        for mine, theirs in zip(together.summaries, alone.summaries, strict=True):
            assert mine.index_span == theirs.index_span
            assert mine.index_perpendicular == theirs.index_perpendicular


def test_batches_hold_everything_once_in_order() -> None:
    structure = parse("1+2+4")
    most = effort(structure).judged_at_once
    sizes = [int(most) - 1, 3, 2, int(most) + 5, 1]
    offered = [
        search.Fresh(place, 0, np.zeros((size, 11)), np.zeros((size, 2)))
        for place, size in enumerate(sizes)
    ]
    found = list(search.batches(structure, [None, *offered[:3], None, *offered[3:]]))
    assert [[each.place for each in batch] for batch in found] == [[0, 1], [2, 3], [4]]
    assert list(search.batches(structure, [None, None])) == []


def test_the_kernel_is_that_of_the_backend() -> None:
    """A GPU follows random starts; structures are searched on its machine's processor."""
    assert kernel_beside(Backend("numpy", NUMPY)) is None
    kernel = here()
    if kernel is None:
        return
    loaded = native.load()
    compiled = backend_named(kernel.info.label)
    assert kernel_beside(compiled) is compiled.kernel

    class Device:
        """Some other kernel."""

    assert kernel_beside(Backend("cuda", NUMPY, Device())) is loaded  # type: ignore[arg-type]
