"""Families at any width, and along real width."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import minimize

from relu_landscape.engine.families.answers import family_answer
from relu_landscape.engine.families.continuation import continuation
from relu_landscape.engine.families.family import branches, compressed, family
from relu_landscape.engine.families.follow import follow
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.errors import InputError
from relu_landscape.wire.families import Family, FamilyQuery

from . import oracle

#: Enclosures by interval arithmetic (Arb, computed independently): losses of 1 + (K - 1).
ONE_ANTI_ALIGNED = {
    6: 0.0250805810024630104,
    10: 0.0187021945856069725,
    100: 0.00274167166656639848,
    10**4: 2.96125833901370774e-5,
    10**6: 2.97246752643667696e-7,
}


@pytest.mark.parametrize("width", ONE_ANTI_ALIGNED)
def test_one_anti_aligned_student_at_certified_losses(width: int) -> None:
    found = family(width, width, "one-anti-aligned")
    assert found.kind == "minimum"
    assert found.loss == pytest.approx(ONE_ANTI_ALIGNED[width], rel=1e-12, abs=1e-15)
    assert found.anti_aligned == 1


def test_asymptotic_losses_at_a_million() -> None:
    """The published expansions in 1/sqrt(K); what they leave out is of the next order."""
    k = 10**6
    one = family(k, k, "one-anti-aligned")
    expansion = (1 / 2 - 2 / np.pi**2) / k - 32 / (3 * np.pi**4) * k**-1.5
    assert one.loss == pytest.approx(expansion, abs=3 / k**2)
    assert one.loss == pytest.approx(2.97246752644e-7, rel=2e-12, abs=0)  # published with 12 digits
    assert one.stability.min_eigenvalue_span == pytest.approx(1 / 4 - 1 / (2 * np.pi), abs=2e-4)
    everyone = family(k, k, "all-anti-aligned")
    limit = 1 / 2 - 1 / np.pi - 4 / (3 * np.pi) / np.sqrt(k)
    assert everyone.loss == pytest.approx(limit, abs=3 / k)
    assert everyone.anti_aligned == k


@pytest.mark.parametrize(("width", "index"), [(3, 1), (4, 2), (5, 3), (6, 0)])
def test_one_anti_aligned_student_below_its_threshold_is_a_saddle(width: int, index: int) -> None:
    found = family(width, width, "one-anti-aligned")
    assert found.stability.index_span == index
    assert found.kind == ("minimum" if index == 0 else "saddle")


@pytest.mark.parametrize(("width", "index"), [(3, 1), (4, 3), (5, 6), (6, 0)])
def test_all_anti_aligned_students_below_their_threshold(width: int, index: int) -> None:
    assert family(width, width, "all-anti-aligned").stability.index_span == index


@pytest.mark.parametrize("name", ["1+8", "4+5", "all-anti-aligned", "two-anti-aligned", "global"])
def test_a_description_agrees_with_the_dense_problem(name: str) -> None:
    found = family(9, 9, name)
    W = embed(Point.from_wire(found.point))
    assert found.loss == pytest.approx(oracle.loss(W), abs=1e-13)
    dense = np.linalg.eigvalsh(oracle.hessian(W))
    assert found.stability.min_eigenvalue_span == pytest.approx(dense[0], abs=1e-11)
    assert sum(int(x.multiplicity) for x in found.spectrum if x.space == "span") == 81
    # overlaps by blocks, against the matrices themselves
    Q, first = W @ W.T, 0
    for s, block in enumerate(found.student_blocks):
        assert block.norm == pytest.approx(np.linalg.norm(W[first]), abs=1e-13)
        assert found.overlaps.Q[s][s].same == pytest.approx(Q[first, first], abs=1e-13)
        column = 0
        for t, teachers in enumerate(found.teacher_blocks):
            entry = found.overlaps.R[s][t]
            if entry.same is not None:
                assert entry.same == pytest.approx(W[first, column], abs=1e-13)
                assert entry.other == pytest.approx(W[first, column + 1], abs=1e-13)
            else:
                assert entry.other == pytest.approx(W[first, column], abs=1e-13)
            column += int(teachers.size)
        if int(block.size) > 1:
            other = found.overlaps.Q[s][s].other
            assert other == pytest.approx(Q[first, first + 1], abs=1e-13)
        first += int(block.size)
    assert Family.model_validate_json(found.model_dump_json()) == found


def test_the_global_minimum_is_known_at_every_width() -> None:
    for width in (2, 50, 10**9):
        found = family(width, width, "global")
        assert found.is_global
        assert str(found.loss) == "0.0"
        assert 0 < found.loss_accuracy <= 1e-16
        assert found.stability.attractive


def test_branches_are_numbered_by_loss_and_can_be_picked() -> None:
    found = family(20, 20, "8+12")
    losses = [row.loss for row in found.branches]
    assert losses == sorted(losses)
    assert sum(row.kind == "minimum" for row in found.branches) >= 3
    third = family(20, 20, "8+12", branch=3)
    assert third.loss == losses[2]
    assert third.loss == pytest.approx(0.0809447847978, abs=1e-9)  # published
    assert found.branch == 1
    with pytest.raises(InputError, match="branches 1 to"):
        family(20, 20, "8+12", branch=99)


def test_numbers_beyond_doubles_are_strings() -> None:
    found = family(10**9, 10**9, "1+*")
    strings = [x.multiplicity for x in found.spectrum if isinstance(x.multiplicity, str)]
    assert str((10**9 - 1) * (10**9 - 4) // 2) in strings
    assert Family.model_validate_json(found.model_dump_json()) == found


def test_wide_families_are_followed_to_where_blind_search_finds_them_too() -> None:
    followed = sorted(verdict.loss for _, verdict in branches(parse("1+399")))
    assert compressed(parse("1+399")).name == "1+100"
    blind = [p.loss for p in search(parse("1+399"), highest_index=10**9).points]
    for loss in followed:
        assert min(abs(loss - other) for other in blind) < 1e-12


def test_following_there_and_back_ends_at_the_same_point() -> None:
    start = [p.point for p in search(parse("2+10")).minima]
    there = follow(start, parse("2+5000"))
    back = follow([point for point in there if point is not None], parse("2+10"))
    assert len(back) == len(start)
    for a, b in zip(start, back, strict=True):
        assert b is not None
        np.testing.assert_allclose(embed(b), embed(a), atol=1e-11)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((5, 5, "1+5"), "teachers"),
        ((6, 5, "global"), "equal widths"),
        ((2, 2, "one-anti-aligned"), "wider teacher"),
        ((0, 5, "1+*"), "1 to"),
        ((5, 10**9 + 1, "1+*"), "1 to"),
        ((5, 5, "nine-anti-aligned"), "no structure"),
        ((6, 6, "one-anti-aligned", 1), "single branch"),
    ],
)
def test_impossible_families_are_refused(arguments: tuple[object, ...], word: str) -> None:
    with pytest.raises(InputError, match=word):
        family(*arguments)  # type: ignore[arg-type]


#: Thresholds k* derived with 11 digits and confirmed by a second program.
@pytest.mark.parametrize(
    ("name", "start", "threshold", "component"),
    [
        ("one-anti-aligned", 10, 5.5855052474, "standard(2)"),
        ("all-anti-aligned", 10, 5.76381273, "alternating(1)"),
        ("two-anti-aligned", 12, 7.56119050, "standard(2)"),
        ("1+*", 30, 5.5855052474, "standard(2)"),
    ],
)
def test_thresholds_of_the_known_families(
    name: str, start: float, threshold: float, component: str
) -> None:
    found = continuation(name, start, 5, points=12)
    last = found.changes[-1]
    assert last.width == pytest.approx(threshold, abs=1e-8)
    assert last.component == component
    assert abs(last.eigenvalue) < 1e-13
    assert (last.stable_below, last.stable_above) == (False, True)
    assert found.points[0].is_stable
    assert not found.points[-1].is_stable


def test_crossings_do_not_depend_on_direction_or_number_of_points() -> None:
    widths = [
        continuation("one-anti-aligned", start, end, points).changes[-1].width
        for start, end, points in ((7, 5, 2), (5, 7, 5), (4.9, 9.1, 31))
    ]
    assert max(widths) - min(widths) < 1e-10


def test_one_anti_aligned_student_exists_down_to_2_2_without_a_fold() -> None:
    found = continuation("one-anti-aligned", 8, 2.2, points=20)
    assert found.ends is None
    assert found.points[-1].width == 2.2
    losses = {row.width: row.loss for row in found.points}
    assert losses[8.0] == pytest.approx(0.0215080371715, abs=1e-12)  # published


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("1+5", 4, 9), "write"),
        (("1+*", 4, 4), "different"),
        (("1+*", 4, 9, 1), "points"),
        (("1+*", 0.5, 9), "above 1"),
        (("3+*", 3.5, 9), "wider"),
        (("global", 4, 9, 5, 2), "single branch"),
        (("1+*", 8, 9, 5, 99), "branches 1 to"),
    ],
)
def test_impossible_continuations_are_refused(arguments: tuple[object, ...], word: str) -> None:
    with pytest.raises(InputError, match=word):
        continuation(*arguments)  # type: ignore[arg-type]


def test_a_minimum_is_where_descent_on_the_dense_loss_ends() -> None:
    """Independent of every reduced formula: SciPy from a perturbed point, dense loops."""
    W = embed(Point.from_wire(family(6, 6, "one-anti-aligned").point))
    noise = 1e-2 * np.random.default_rng(0).normal(size=W.shape)

    def slope(w: np.ndarray) -> np.ndarray:
        return np.asarray(oracle.gradient(w.reshape(6, 6)).ravel())

    done = minimize(  # type: ignore[call-overload]  # the stubs want shapes of one kind
        lambda w: float(oracle.loss(w.reshape(6, 6))),
        (W + noise).ravel(),
        jac=slope,
        method="BFGS",
        options={"gtol": 1e-8},
    )
    np.testing.assert_allclose(done.x.reshape(6, 6), W, atol=1e-5)  # gtol over 5e-3


@pytest.mark.parametrize("width", [6, 20, 100, 10**9])
@pytest.mark.parametrize("name", ["one-anti-aligned", "all-anti-aligned"])
def test_the_stated_accuracy_of_the_loss_covers_its_error(name: str, width: int) -> None:
    """Against the proven interval, which is narrower than any double."""
    query = FamilyQuery(student_width=width, teacher_width=width, structure=name, certify=True)
    found = family_answer(query)
    assert found.certificate is not None
    assert found.certificate.loss is not None
    low, high = Fraction(found.certificate.loss.lower), Fraction(found.certificate.loss.upper)
    error = Fraction(found.loss_accuracy)
    assert low - error <= Fraction(found.loss) <= high + error
    assert found.loss_accuracy < 1e-6 * found.loss


def test_no_zero_of_a_family_has_a_sign_or_digits() -> None:
    found = family(20, 20, "8+12")
    for loss in (found.loss, *(row.loss for row in found.branches)):
        assert loss == 0 or loss > 1e-16
    tolerance = found.stability.eigenvalue_tolerance
    values = [line.eigenvalue for line in found.spectrum]
    assert all(value == 0 or abs(value) > tolerance for value in values)
