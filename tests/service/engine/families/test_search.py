"""The multistart search: stopping rule, independence of how it is cut up, what is set aside."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.families.coarse import coarsest
from relu_landscape.engine.families.effort import ROUND, effort
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import embed, stacked
from relu_landscape.engine.families.reduced import evaluate
from relu_landscape.engine.families.rounds import run_round
from relu_landscape.engine.families.search import Search, SearchResult, batches, judged, search
from relu_landscape.engine.families.solver import converge, gradient_tolerance
from relu_landscape.engine.families.starts import random_starts
from relu_landscape.engine.families.structures import parse
from relu_landscape.errors import InputError

from . import oracle
from .published import eigenvalue_tolerance, equal_widths


def _facts(result: SearchResult) -> list[tuple[object, ...]]:
    return [
        (p.loss, p.summary, p.first_start, p.hits, p.point.deviations.tolist())
        for p in result.points
    ]


def test_a_search_depends_on_structure_and_seed_alone() -> None:
    structure = parse("2+6")
    whole = search(structure, seed=3)
    assert whole.complete
    assert _facts(search(structure, seed=3)) == _facts(whole)
    assert _facts(search(structure, seed=4)) != _facts(whole)
    # More starts than the rule asks for change nothing; fewer are the beginning of the same search.
    assert _facts(search(structure, seed=3, most_starts=10**6)) == _facts(whole)
    assert search(structure, seed=3).summary() == whole.summary()


def test_a_search_is_the_same_however_its_rounds_are_handed_out() -> None:
    """Rounds side by side, and their points judged in any order, as a landscape's tasks are."""
    structure = parse("1+2+4")
    search_in_tasks = Search(structure)
    turns = 0
    while wanted := search_in_tasks.wanted():
        turns += 1
        assert not search_in_tasks.complete
        rounds = {number: run_round(structure, 0, number) for number in reversed(wanted)}
        found = [search_in_tasks.add(rounds[number]) for number in wanted]
        for together in reversed(list(batches(structure, found))):
            for fresh, judgement in zip(together, judged(structure, together), strict=True):
                search_in_tasks.judge(fresh, judgement)
    assert turns > 1  # what a turn brings decides about the next one
    assert _facts(search_in_tasks.result()) == _facts(search(structure))
    assert search_in_tasks.result().summary() == search(structure).summary()


def test_a_structure_of_many_unknowns_has_shorter_rounds() -> None:
    """A round of 128 starts took half a minute with eleven blocks, and nothing could stop it."""
    structure = parse("2+3+4+5+6+7+8+9+10")
    size = effort(structure).round_starts
    assert size < ROUND
    found = search(structure, most_starts=size, highest_index=10**6)
    assert found.starts == size
    assert sum(point.hits for point in found.points) + sum(found.set_aside.values()) == size


def test_the_search_stops_after_its_patience_and_says_so() -> None:
    structure = parse("1+5")
    result = search(structure)
    last_news = max(p.first_start for p in result.points if p.index_span <= 2)
    assert result.complete
    assert result.starts == (last_news // ROUND + 1) * ROUND + effort(structure).patience
    short = search(structure, most_starts=ROUND)
    assert not short.complete
    assert short.starts == ROUND
    total = sum(p.hits for p in search(structure, highest_index=99).points)
    assert total + sum(result.set_aside.values()) == result.starts


def test_starts_depend_on_seed_and_number_alone() -> None:
    table = layout(parse("1+3+5"))
    whole = random_starts(table, 7, 0, 20)
    part = random_starts(table, 7, 13, 4)
    for a, b in zip(whole, part, strict=True):
        assert np.array_equal(a[13:17], b)


@pytest.mark.parametrize("name", ["7", "1+6", "3+4", "1+2+4", "1+6 extra 1", "2x0+5"])
def test_points_are_critical_and_classified_like_the_dense_problem(name: str) -> None:
    result = search(parse(name))
    assert result.points
    for found in result.points:
        W = embed(found.point)
        np.testing.assert_allclose(oracle.gradient(W), 0, atol=1e-12)
        assert oracle.loss(W) == pytest.approx(found.loss, abs=1e-13)
        spectrum = np.linalg.eigvalsh(oracle.hessian(W))
        assert int(np.sum(spectrum < -1e-7)) == found.index_span
        assert spectrum[0] == pytest.approx(found.summary.min_eigenvalue_span, abs=1e-11)
        outside = np.linalg.eigvalsh(oracle.perpendicular(W))
        assert outside[0] == pytest.approx(found.summary.min_eigenvalue_perpendicular, abs=1e-11)
        assert found.gradient_norm < 1e-13


@pytest.mark.parametrize("width", [6, 7, 8, 9, 10])
def test_published_minima_of_one_and_two_blocks(width: int) -> None:
    minima = []
    names = [str(width)] + [f"{p}+{width - p}" for p in range(1, width // 2 + 1)]
    for name in names:
        minima += [(p.loss, p.summary.min_eigenvalue_span) for p in search(parse(name)).minima]
    for published in equal_widths()[width]:
        near = [m for m in minima if abs(m[0] - published["loss"]) < 1e-9]
        assert near, published
        eigenvalue = published["min_eigenvalue"]
        assert near[0][1] == pytest.approx(eigenvalue, abs=eigenvalue_tolerance(eigenvalue))


def test_one_point_is_listed_once_though_found_as_many_copies() -> None:
    """Blocks of equal size, units and the labels on a block of two all give copies."""
    for name in ("3+3", "2+5", "1+1+5", "4 extra 2", "2x2+3"):
        found = search(parse(name), highest_index=99).points
        keys = {
            (round(p.loss, 11), tuple(np.round(np.sort(embed(p.point), None), 7))) for p in found
        }
        assert len(keys) == len(found)


def test_wider_students_set_the_zero_loss_set_aside() -> None:
    result = search(parse("1+6 extra 1"))
    assert result.set_aside["global"] > 0
    assert all(p.loss > 1e-3 for p in result.points)
    assert all(p.summary.nullity_span == 0 for p in result.minima)


def test_flat_families_of_split_students_are_set_aside_not_listed() -> None:
    """Two equal units are one unit split in two, at any ratio: a flat set of critical points."""
    result = search(parse("1+5 extra 2"))
    assert result.set_aside["split"] > 0
    for found in result.points:
        W = embed(found.point)
        U = W / np.linalg.norm(W, axis=1, keepdims=True)
        assert np.max(np.abs(np.triu(U @ U.T, 1))) < 1 - 1e-9


def test_starts_that_cannot_converge_are_counted_as_failed() -> None:
    table = layout(parse("1+4"))
    deviations, signs = random_starts(table, 0, 0, 4)
    deviations[1] = np.nan
    deviations[2] = 0
    deviations[2, : len(table.p)] = 0  # the unit is zero: no derivative there
    done = converge(table, deviations, signs)
    assert not done.success[1]
    assert not done.success[2]
    reached = evaluate(table, done.deviations[done.success], signs[done.success])
    norms = np.linalg.norm(reached.gradient, axis=1)
    assert np.all(norms <= gradient_tolerance(table))


def test_fractional_blocks_are_not_searched() -> None:
    with pytest.raises(InputError, match="fractional"):
        search(parse("1+4.5"))


def test_a_point_has_one_coarsest_structure_wherever_it_was_found() -> None:
    """The identity and the fully anti-aligned point of width 7, found in six structures."""
    names = ["7", "1+6", "2+5", "3+4", "1+1+5", "1+2+4", "1+3+3"]
    structures: dict[float, set[str]] = {}
    for name in names:
        for found in search(parse(name)).points:
            coarse = coarsest(found.point)
            W, Z = embed(coarse), embed(found.point)
            np.testing.assert_allclose(np.sort(W, None), np.sort(Z, None), atol=1e-8)
            structures.setdefault(round(found.loss, 9), set()).add(coarse.structure.name)
            again = coarsest(coarse)
            assert again.structure == coarse.structure
            np.testing.assert_allclose(embed(again), W, atol=1e-12)
    assert all(len(found) == 1 for found in structures.values()), structures
    assert structures[0.0] == {"7"}
    assert structures[0.023202715] == {"1+6"}
    # the saddle between two relabelled copies of the identity
    assert structures[0.023693] == {"3+4"}


def test_coarsest_keeps_points_that_are_as_symmetric_as_their_structure() -> None:
    point = search(parse("1+5")).minima[1].point
    assert coarsest(point) is point
    table = layout(point.structure)
    assert evaluate(table, *stacked([point])).loss[0] > 0
