"""Identity up to relabelling, against brute force over all permutations."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from relu_landscape.engine.points import symmetry
from tests.service.engine.oracles import Real

#: (K, M): at most 5! 4! = 2880 relabellings each.
SHAPES = [(1, 1), (2, 2), (3, 3), (4, 3), (3, 4), (4, 4), (5, 3), (2, 5)]
CYCLIC = np.array(
    [[1.0, 0.3, 0.1, 0.3], [0.3, 1.0, 0.3, 0.1], [0.1, 0.3, 1.0, 0.3], [0.3, 0.1, 0.3, 1.0]]
)


def _random(K: int, M: int, seed: int) -> Real:
    """Few different entries, so that accidental and real symmetries are common."""
    rng = np.random.default_rng([K, M, seed])
    return rng.integers(0, 2 + seed % 2, (K, M)).astype(float) / 4.0


def _allowed(T: Real | None, M: int) -> list[tuple[int, ...]]:
    every = itertools.permutations(range(M))
    if T is None:
        return list(every)
    return [p for p in every if np.array_equal(T[np.ix_(p, p)], T)]


def _relabellings(
    R: Real, other: Real, T: Real | None = None
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All (students, teachers) with ``other[students][:, teachers] == R``."""
    K, M = R.shape
    return [
        (rows, columns)
        for columns in _allowed(T, M)
        for rows in itertools.permutations(range(K))
        if np.array_equal(other[np.ix_(rows, columns)], R)
    ]


def _analyse(R: Real, T: Real | None = None) -> symmetry.Symmetry:
    lengths = np.linalg.norm(R, axis=1) + 1.0
    teachers = np.ones(R.shape[1]) if T is None else np.sqrt(np.diag(T))
    return symmetry.analyse(R, lengths, teachers, T)


def _canonical(R: Real, found: symmetry.Symmetry) -> Real:
    return R[np.ix_(found.students, found.teachers)]


def _shuffled(R: Real, rng: np.random.Generator, T: Real | None = None) -> Real:
    allowed = _allowed(T, R.shape[1])
    columns = allowed[rng.integers(len(allowed))]
    return R[rng.permutation(len(R))][:, columns]


@pytest.mark.parametrize("shape", SHAPES)
def test_group_and_orbits_are_those_of_brute_force(shape: tuple[int, int]) -> None:
    for seed in range(6):
        R = _random(*shape, seed)
        group = _relabellings(R, R)
        found = _analyse(R)
        assert found.automorphisms == len(group)
        for part, orbits, order in (
            (0, found.student_orbits, found.students),
            (1, found.teacher_orbits, found.teachers),
        ):
            got = {frozenset(order[place] for place in orbit) for orbit in orbits}
            wanted = {frozenset(g[part][v] for g in group) for v in range(shape[part])}
            assert got == wanted
            assert sorted(itertools.chain(*orbits)) == list(range(shape[part]))


@pytest.mark.parametrize("shape", SHAPES)
def test_canonical_order_does_not_depend_on_the_order_given(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for seed in range(6):
        R = _random(*shape, seed)
        form = _canonical(R, _analyse(R))
        assert np.array_equal(np.sort(form, axis=None), np.sort(R, axis=None))
        for _ in range(4):
            other = _shuffled(R, rng)
            np.testing.assert_array_equal(_canonical(other, _analyse(other)), form)


@pytest.mark.parametrize("shape", SHAPES)
def test_relabelling_is_found_exactly_where_there_is_one(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    copies = 0
    for seed in range(12):
        R = _random(*shape, seed)
        # An honest copy, and a matrix with the same entries in other places.
        scattered = rng.permutation(R.ravel()).reshape(R.shape)
        for other in (_shuffled(R, rng), scattered):
            found = symmetry.relabelling(R, other)
            wanted = _relabellings(R, other)
            assert (found is None) == (not wanted)
            if found is not None:
                assert (tuple(found[0]), tuple(found[1])) in wanted
                copies += 1
    assert copies >= 12


@pytest.mark.parametrize("shape", [(3, 4), (4, 4), (2, 4)])
def test_a_cyclic_gram_matrix_allows_its_own_permutations_only(shape: tuple[int, int]) -> None:
    assert symmetry.gram_symmetries(CYCLIC) == len(_allowed(CYCLIC, 4)) == 8
    rng = np.random.default_rng(3)
    refused = 0
    for seed in range(8):
        R = _random(*shape, seed)
        found = _analyse(R, CYCLIC)
        assert found.automorphisms == len(_relabellings(R, R, CYCLIC))
        copy = _shuffled(R, rng, CYCLIC)
        assert symmetry.relabelling(R, copy, CYCLIC) is not None
        columns = [1, 0, 2, 3]  # no symmetry of the cycle
        other = R[:, columns]
        wanted = _relabellings(R, other, CYCLIC)
        assert (symmetry.relabelling(R, other, CYCLIC) is None) == (not wanted)
        assert symmetry.relabelling(R, other) is not None
        refused += not wanted
    assert refused >= 2


@pytest.mark.parametrize("width", [1, 2, 5])
def test_symmetries_of_simple_gram_matrices(width: int) -> None:
    assert symmetry.gram_symmetries(np.eye(width)) == math.factorial(width)
    lengths = np.diag(np.arange(1.0, width + 1.0))
    assert symmetry.gram_symmetries(lengths) == 1


def test_teachers_of_different_length_are_not_exchanged() -> None:
    T = np.diag([1.0, 4.0])
    R = np.array([[0.5, 0.2], [0.2, 0.5]])
    assert symmetry.relabelling(R, R[:, ::-1]) is not None
    assert symmetry.relabelling(R, R[::-1], T) == ([1, 0], [0, 1])
    flipped = R[:, ::-1] + np.array([[0.0, 0.0], [0.0, 0.1]])
    assert symmetry.relabelling(R, flipped, T) is None


def test_equal_entries_in_other_places_are_no_copy() -> None:
    """Sorted entries, row sums and column sums agree, and yet: a six-cycle is not two triangles."""
    ring = np.zeros((6, 6))
    pairs = np.zeros((6, 6))
    for i in range(6):
        ring[i, [i, (i + 1) % 6]] = 1.0
        block = 3 * (i // 3)
        pairs[i, [i, block + (i + 1) % 3]] = 1.0
    assert np.array_equal(ring.sum(axis=0), pairs.sum(axis=0))
    assert np.array_equal(ring.sum(axis=1), pairs.sum(axis=1))
    assert np.array_equal(np.sort(ring, axis=None), np.sort(pairs, axis=None))
    assert symmetry.relabelling(ring, pairs) is None
    assert symmetry.relabelling(ring, ring[::-1]) is not None
    assert _analyse(ring).automorphisms == 12  # the dihedral group of the hexagon's edges
    assert _analyse(pairs).automorphisms == 2 * 6 * 6


def test_other_shapes_are_other_points() -> None:
    assert symmetry.relabelling(np.ones((2, 3)), np.ones((3, 2))) is None


def test_labels_forgive_rounding_and_nothing_else() -> None:
    R = _random(4, 4, 1)
    noise = 1e-10 * np.random.default_rng(4).standard_normal(R.shape)
    assert symmetry.relabelling(R, R + noise) is not None
    assert _analyse(R + noise).automorphisms == _analyse(R).automorphisms
    moved = R.copy()
    moved[0, 0] += 1e-5
    assert symmetry.relabelling(R, moved) is None


def test_labels_of_a_chain() -> None:
    values = np.array([[0.0, 1e-7], [1.0, 1.0 - 1e-7]])
    assert np.array_equal(symmetry.labels_of(values), [[0, 0], [1, 1]])


def _blocks(sizes: tuple[int, ...], own: tuple[float, ...], other: Real) -> Real:
    """Students natural on teacher blocks: ``own`` on the diagonal, ``other`` between blocks."""
    member = np.repeat(np.arange(len(sizes)), sizes)
    R = other[np.ix_(member, member)].copy()
    R[np.arange(len(R)), np.arange(len(R))] = np.asarray(own)[member]
    return R


@pytest.mark.parametrize("sizes", [(1, 6), (2, 3), (2, 2, 3), (1, 2, 4)])
def test_natural_blocks_are_recognised(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(sizes))
    count = len(sizes)
    own = tuple(rng.uniform(0.8, 1.0, count))
    R = _blocks(sizes, own, rng.uniform(-0.1, 0.1, (count, count)))
    shuffled = R[rng.permutation(len(R))][:, rng.permutation(len(R))]
    found = _analyse(shuffled)
    assert sorted(len(orbit) for orbit in found.teacher_orbits) == sorted(sizes)
    assert found.automorphisms == math.prod(math.factorial(size) for size in sizes)
    assert found.is_product
    assert found.isotropy == " x ".join(f"S{size}" for size in sorted(sizes))
    assert sorted(found.natural, key=str) == list(range(count))
    # In canonical order a student stands beside the teacher it is matched to.
    form = _canonical(shuffled, found)
    for block, orbit in zip(found.natural, found.student_orbits, strict=True):
        assert block is not None
        diagonal = [form[i, m] for i, m in zip(orbit, found.teacher_orbits[block], strict=True)]
        assert all(any(abs(x - y) < 1e-12 for y in own) for x in diagonal)


def test_in_a_block_of_two_the_matched_teacher_is_the_own_one() -> None:
    """Both entries of a row occur once there; only the matching tells own from other."""
    R = np.array([[-0.9, 0.1], [0.1, -0.9]])
    found = symmetry.analyse(R[:, ::-1], np.ones(2), np.ones(2))
    assert found.natural == (0,)
    np.testing.assert_array_equal(_canonical(R[:, ::-1], found), R)


def test_extra_students_stand_behind() -> None:
    R = np.vstack([np.full((1, 4), 0.2), np.eye(4) * 0.9 + 0.05])
    found = symmetry.analyse(R, np.ones(5), np.ones(4))
    assert found.natural == (0, None)
    assert found.automorphisms == 24
    np.testing.assert_array_equal(_canonical(R, found)[-1], R[0])


def test_an_orbit_of_two_that_belongs_to_no_block_stands_behind() -> None:
    """Two students that see two teachers alike are matched to them, and yet neither is anyone's;
    the three natural ones stand first, whichever teachers come first."""
    R = np.full((5, 5), 0.05)
    R[:2, :2] = 0.4
    R[2:, 2:] = 0.1 + 0.8 * np.eye(3)
    rng = np.random.default_rng(6)
    for _ in range(6):
        shuffled = R[rng.permutation(5)][:, rng.permutation(5)]
        found = symmetry.analyse(shuffled, np.ones(5), np.ones(5))
        assert found.natural == (1, None)
        assert found.student_orbits == ((0, 1, 2), (3, 4))
        assert found.teacher_orbits == ((0, 1), (2, 3, 4))
        form = _canonical(shuffled, found)
        np.testing.assert_array_equal(np.diagonal(form[:3, 2:]), [0.9] * 3)
        np.testing.assert_array_equal(form[3:, :2], np.full((2, 2), 0.4))


def test_anti_aligned_counts_negative_overlaps_with_the_matched_teacher() -> None:
    R = np.eye(4) * 0.9
    R[0] = [-0.95, 0.3, 0.3, 0.3]
    assert symmetry.anti_aligned(R, np.ones(4), np.ones(4)) == 1
    # A negative overlap with a teacher it is not matched to does not count.
    R[1, 2] = -0.8
    assert symmetry.anti_aligned(R, np.ones(4), np.ones(4)) == 1
    # An extra student has no teacher.
    more = np.vstack([R, [-0.2, -0.2, -0.2, -0.2]])
    assert symmetry.anti_aligned(more, np.ones(5), np.ones(4)) == 1
    # Lengths do not decide the matching, cosines do.
    skewed = np.array([[10.0, 5.0], [-0.01, 0.1]])
    assert symmetry.matching(skewed, np.array([20.0, 0.11]), np.ones(2)) == {0: 0, 1: 1}


@pytest.mark.parametrize("seed", range(3))
def test_matching_is_the_best_of_all_assignments(seed: int) -> None:
    R = np.random.default_rng(seed).uniform(-1, 1, (4, 4))
    found = symmetry.matching(R, np.ones(4), np.ones(4))
    best = max(itertools.permutations(range(4)), key=lambda p: sum(abs(R[range(4), p])))
    assert found == dict(enumerate(best))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_symmetry_does_not_depend_on_the_unit_of_length(scale: float) -> None:
    """Entries count as equal in units of the teacher's squared norm, in R as in its Gram matrix."""
    rng = np.random.default_rng(5)
    for T in (None, CYCLIC):
        R = _random(3, 4, 1)
        noise = 1e-9 * rng.standard_normal(R.shape)
        norms = np.ones(3)
        wanted = symmetry.analyse(R, norms, np.ones(4), np.eye(4) if T is None else T)
        gram = scale**2 * (np.eye(4) if T is None else T + 1e-9 * np.diag([0.0, 1.0, -1.0, 0.0]))
        found = symmetry.analyse(scale**2 * (R + noise), scale * norms, np.full(4, scale), gram)
        assert found == wanted
        assert symmetry.gram_symmetries(gram) == (24 if T is None else 8)
        moved = R.copy()
        moved[0, 0] += 1e-4
        shifted = symmetry.analyse(scale**2 * moved, scale * norms, np.full(4, scale), gram)
        assert shifted.automorphisms == symmetry.analyse(moved, norms, np.ones(4), T).automorphisms


def test_forty_students_take_no_time() -> None:
    """Blocks of a large group: the order of the group has 70 digits and comes out exact."""
    rng = np.random.default_rng(40)
    R = _blocks((1, 12, 27), (-0.9, 0.7, 1.0), rng.uniform(-0.05, 0.05, (3, 3)))
    shuffled = R[rng.permutation(40)][:, rng.permutation(40)]
    began = time.process_time()
    found = _analyse(shuffled)
    copy = symmetry.relabelling(R, shuffled)
    # Seen: 0.1 s. A search through relabellings would not end.
    assert time.process_time() - began < 5.0
    assert found.automorphisms == math.factorial(12) * math.factorial(27)
    assert copy is not None
    np.testing.assert_array_equal(shuffled[np.ix_(*copy)], R)
