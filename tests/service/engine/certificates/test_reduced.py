"""The reduced method against the dense one, and at widths where nothing dense exists."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from flint import arb, arb_mat

from relu_landscape.engine.certificates import certify, certify_reduced, geometry
from relu_landscape.engine.certificates import derivatives as reduced_derivatives
from relu_landscape.engine.certificates.attribution import stored_weights
from relu_landscape.engine.certificates.balls import digits, exact_number, precision
from relu_landscape.engine.certificates.geometry import loss as dense_loss
from relu_landscape.engine.certificates.geometry import measure
from relu_landscape.engine.certificates.isotypic import (
    perpendicular_index,
    perpendicular_rows,
    span_index,
    span_rows,
)
from relu_landscape.engine.certificates.structure import Blocks, Structure, finest, normalised
from relu_landscape.errors import InputError
from tests.service.engine.certificates import points
from tests.service.engine.certificates.points import Doubles, anti_aligned
from tests.service.engine.certificates.published import WIDER_STUDENTS, locate_wider

STRUCTURES = [
    Structure((1,), (None,)),
    Structure((1, 4), (None, 1)),
    Structure((2, 3), (0, 1, None)),
    Structure((5, 4), (0, 0, 1)),  # two natural blocks on one teacher block
    Structure((3, 4, 2), (0, 1)),  # a teacher block without students
    Structure((6,), (0,)),
    Structure((2, 2), (1, None, None)),
]


def random_blocks(structure: Structure, seed: int = 0) -> Blocks:
    """A point of the structure with unknowns of order one."""
    rng = np.random.default_rng([seed, *structure.teachers])
    x = rng.normal(size=(len(structure.students), len(structure.teachers))).tolist()
    y = rng.normal(size=len(structure.students)).tolist()
    return normalised(structure, [[arb(v) for v in row] for row in x], [arb(v) for v in y])


def expanded(blocks: Blocks) -> Doubles:
    """All K x M weights, by the definition in words."""
    structure = blocks.structure
    first = np.cumsum([0, *structure.teachers])
    rows = []
    for s, t in enumerate(structure.students):
        for label in range(structure.size(s)):
            w = np.zeros(structure.teacher_width)
            for u, p in enumerate(structure.teachers):
                w[first[u] : first[u + 1]] += float(blocks.x[s][u]) / np.sqrt(p)
            if t is not None:
                w[first[t] : first[t + 1]] -= float(blocks.y[s]) / structure.teachers[t]
                w[first[t] + label] += float(blocks.y[s])
            rows.append(w)
    return np.array(rows)


def _doubles(rows: list[list[arb]]) -> Doubles:
    return np.array([[float(x) for x in row] for row in rows])


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_loss_and_gradient_are_those_of_the_full_weights(structure: Structure) -> None:
    blocks = random_blocks(structure)
    W = expanded(blocks)
    with precision(128):
        gradient, _ = reduced_derivatives.derivatives(blocks)
        value = float(reduced_derivatives.loss(blocks))
        assert value == pytest.approx(float(dense_loss(measure(W))), rel=1e-14)
    full = points.gradient(W, structure.teacher_width)
    assert np.linalg.norm([float(g) for g in gradient]) == pytest.approx(
        float(np.linalg.norm(full)), rel=1e-12
    )


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_finest_splitting_has_every_eigenvalue_and_no_other(structure: Structure) -> None:
    blocks = random_blocks(structure)
    W = expanded(blocks)
    K, M = W.shape
    with precision(128):
        fine = finest(blocks)
        np.testing.assert_allclose(expanded(fine)[0], W[0], atol=1e-14)
        small = np.linalg.eigvalsh(_doubles(span_rows(fine)))
        small_beyond = np.linalg.eigvalsh(_doubles(perpendicular_rows(fine)))
    full = np.linalg.eigvalsh(points.hessian(W, M))
    wide = points.hessian(np.hstack([W, np.zeros((K, 1))]), M).reshape(K, M + 1, K, M + 1)
    beyond = np.linalg.eigvalsh(wide[:, M, :, M])
    for few, many in ((small, full), (small_beyond, beyond)):
        apart = np.abs(few[:, None] - many[None, :])
        scale = max(1.0, float(np.abs(many).max()))
        assert apart.min(axis=0).max() < 1e-11 * scale
        assert apart.min(axis=1).max() < 1e-11 * scale


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_index_counts_multiplicities(structure: Structure, seed: int) -> None:
    """At points of small norm, where the Hessian has many negative eigenvalues."""
    with precision(128):
        random = random_blocks(structure, seed)
        blocks = Blocks(
            random.structure,
            [[v * 2 / 5 for v in row] for row in random.x],
            [v * 2 / 5 for v in random.y],
        )
        found, beyond = span_index(blocks), perpendicular_index(blocks)
    W = expanded(blocks)
    K, M = W.shape
    wide = points.hessian(np.hstack([W, np.zeros((K, 1))]), M).reshape(K, M + 1, K, M + 1)
    assert found == (np.linalg.eigvalsh(points.hessian(W, M)) < 0).sum()
    assert beyond == (np.linalg.eigvalsh(wide[:, M, :, M]) < 0).sum()
    assert structure.teacher_width == 1 or found > 0


def test_nearly_parallel_students_keep_their_curvature_enclosed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At a sine of 5e-13 the terms that divide by it become balls; more digits fall inside them."""
    structure = Structure((1, 2), (None, None, 1))
    x = [["1", "0.2"], ["1", "0.2000000000005"], ["0.1", "0.6"]]

    def second(bits: int) -> list[arb]:
        with precision(bits):
            numbers = [[exact_number(v) for v in row] for row in x]
            blocks = normalised(structure, numbers, [arb(0), arb(0), arb(1)])
            return [v for row in reduced_derivatives.derivatives(blocks)[1] for v in row]

    coarse = second(128)
    monkeypatch.setattr(geometry, "PARALLEL_SINE", 0.0)
    fine = second(300)
    assert all(c.contains(f.mid()) for c, f in zip(coarse, fine, strict=True))
    widths = [float(c.rad()) for c in coarse]
    assert 1e-14 < max(widths) < 1e-11


def _read_off(
    W: Doubles, teachers: tuple[int, ...], students: list[tuple[int, int | None]]
) -> tuple[list[list[float]], list[float | None]]:
    """Unknowns of a structured matrix whose units stand block by block."""
    first = np.cumsum([0, *teachers])
    x: list[list[float]] = []
    y: list[float | None] = []
    row = 0
    for size, t in students:
        w = W[row]
        x.append([w[first[u] : first[u + 1]].sum() / np.sqrt(p) for u, p in enumerate(teachers)])
        y.append(None if t is None or size == 1 else w[first[t]] - w[first[t] + 1])
        row += size
    return x, y


def _certify_family(width: int, anti: int) -> dict[str, Any]:
    teachers = (anti, width - anti) if 0 < anti < width else (width,)
    students: list[tuple[int, int | None]] = [(p, t) for t, p in enumerate(teachers)]
    x, y = _read_off(anti_aligned(width, anti), teachers, students)
    return certify_reduced(teachers, students, x, y)


@pytest.mark.parametrize(
    ("width", "anti"), [(6, 1), (10, 1), (10, 2), (17, 2), (17, 3), (20, 10), (6, 6), (17, 17)]
)
def test_agrees_with_the_dense_method(width: int, anti: int) -> None:
    dense = certify(anti_aligned(width, anti), mode="strict", teacher_width=width)
    reduced = _certify_family(width, anti)
    assert reduced["verdict"] == dense["verdict"] == "minimum"
    assert reduced["spurious"] is True
    for name in ("smallest_eigenvalue_span", "smallest_eigenvalue_perpendicular"):
        assert reduced[name] == pytest.approx(dense[name], rel=1e-6, abs=1e-9)
    # the Lipschitz bounds differ by how norms are bounded from above: up to a tenth
    assert reduced["lipschitz"] == pytest.approx(dense["lipschitz"], rel=0.1)
    inner, outer = reduced["loss"], dense["loss"]
    assert Fraction(outer["lower"]) <= Fraction(inner["lower"])
    assert Fraction(inner["upper"]) <= Fraction(outer["upper"])
    assert reduced["radius"] < 1e-30


@pytest.mark.parametrize(
    ("width", "anti", "index"), [(3, 3, 1), (4, 4, 3), (5, 5, 6), (3, 1, 1), (4, 1, 2), (5, 1, 3)]
)
def test_small_widths_are_saddles_of_known_index(width: int, anti: int, index: int) -> None:
    found = _certify_family(width, anti)
    assert (found["verdict"], found["index_span"], found["index_perpendicular"]) == (
        "saddle",
        index,
        0,
    )
    spectrum = np.linalg.eigvalsh(points.hessian(anti_aligned(width, anti), width))
    assert index == (spectrum < 0).sum()


def test_all_anti_aligned_losses() -> None:
    """Loss and smallest eigenvalue of the one-block family, from an independent prototype."""
    for width, value, smallest in (
        (6, "0.055668581322", 0.0015037),
        (17, "0.096071877100", 0.0308056),
    ):
        found = _certify_family(width, width)
        assert abs(Fraction(found["loss"]["lower"]) - Fraction(value)) < Fraction(1, 10**12)
        assert found["smallest_eigenvalue_span"] == pytest.approx(smallest, abs=6e-8)


def test_saddle_of_a_wider_student() -> None:
    """K = 18, M = 17: two anti-aligned students and one student-only unit."""
    point = next(p for p in WIDER_STUDENTS if p.min_eigenvalue < 0)
    students: list[tuple[int, int | None]] = [(2, 0), (15, 1), (1, None)]
    x, y = _read_off(locate_wider(point), (2, 15), students)
    found = certify_reduced((2, 15), students, x, y)
    assert (found["verdict"], found["index_span"], found["index_perpendicular"]) == ("saddle", 1, 0)
    assert found["smallest_eigenvalue_span"] == pytest.approx(-0.0204149, abs=1e-7)
    assert abs(Fraction(found["loss"]["lower"]) - Fraction("0.011698913345")) < Fraction(1, 10**12)


# The family with one anti-aligned student: loss and smallest eigenvalue from an independent
# prototype. Its K = 100 value ends in ...9848; the sum over all pairs gives ...98468, so that
# figure is used to one digit less.
WIDE = [
    (100, "0.0027416716665663985", 0.07816293),
    (10**4, "0.0000296125833901370774", 0.08980476),
    (10**6, "0.000000297246752643667696", 0.09074333),
]


def _newton(width: int, entries: Doubles) -> Blocks:
    """One anti-aligned student: from guessed entries to the critical point, at 256 bits."""
    structure = Structure((1, width - 1), (None, 1))
    p = arb(width - 1)
    own, far, near, others, y = (arb(value) for value in entries.tolist())
    x = [[own, far * p.sqrt()], [near, (others + y / p) * p.sqrt()]]
    blocks = normalised(structure, x, [arb(0), y])
    for _ in range(9):
        gradient, hessian = reduced_derivatives.derivatives(blocks)
        places = reduced_derivatives.unknowns(blocks)
        column = arb_mat([[g] for g in gradient])
        step = arb_mat(hessian).mid().solve(column.mid()).entries()
        plain = [(d / scale).mid() for d, scale in zip(step, places.scales, strict=True)]
        old = [*blocks.x[0], *blocks.x[1], blocks.y[1]]
        new = [(v - d).mid() for v, d in zip(old, plain, strict=True)]
        blocks = Blocks(structure, [new[:2], new[2:4]], [arb(0), new[4]])
    return blocks


def _entries(width: int, blocks: Blocks) -> Doubles:
    p = arb(width - 1)
    (own, far), (near, along) = blocks.x
    y = blocks.y[1]
    values = [own, far / p.sqrt(), near, along / p.sqrt() - y / p, y]
    return np.array([float(v) for v in values])


@cache
def wide_family() -> dict[int, tuple[list[list[str]], list[str]]]:
    """Unknowns at large widths, followed from width 20 by power laws and Newton's method."""
    wanted = [100, 10**4, 10**6, 10**9]
    history: list[tuple[int, Doubles]] = []
    result = {}
    width = 20
    with precision(256):
        while wanted:
            if len(history) < 2:
                W = anti_aligned(width, 1)
                guess = np.array([W[0, 0], W[0, 1], W[1, 0], W[1, 2], W[1, 1] - W[1, 2]])
            else:
                (k1, e1), (k2, e2) = history[-2:]
                guess = e2 * np.abs(e2 / e1) ** (np.log(width / k2) / np.log(k2 / k1))
            blocks = _newton(width, guess)
            history.append((width, _entries(width, blocks)))
            if width == wanted[0]:
                x = [[digits(v, 50) for v in row] for row in blocks.x]
                result[wanted.pop(0)] = (x, [digits(v, 50) for v in blocks.y])
            following = width + 1 if len(history) < 2 else int(width * 1.5)
            width = min(following, wanted[0]) if wanted else following
    return result


@pytest.mark.parametrize(("width", "value", "smallest"), WIDE)
def test_large_widths(width: int, value: str, smallest: float) -> None:
    x, y = wide_family()[width]
    found = certify_reduced([1, width - 1], [(1, 0), (width - 1, 1)], x, y)
    assert (found["verdict"], found["spurious"]) == ("minimum", True)
    last = Fraction(1, 10 ** len(value.partition(".")[2]))
    assert Fraction(value) - last <= Fraction(found["loss"]["lower"])
    assert Fraction(found["loss"]["upper"]) <= Fraction(value) + last
    assert found["smallest_eigenvalue_span"] == pytest.approx(smallest, abs=2e-7)


def test_width_100_against_the_sum_over_all_pairs() -> None:
    x, y = wide_family()[100]
    found = certify_reduced([1, 99], [(1, 0), (99, 1)], x, y)
    W, error = stored_weights(found)
    assert error < 1e-13
    with precision(128):
        value = dense_loss(measure(W))
        # a quadratic bowl: rounding the weights by 1e-15 moves the loss by less than 1e-27
        ends = [abs(value - exact_number(found["loss"][end])) for end in ("lower", "upper")]
        assert all(end < arb("1e-27") for end in ends)


def test_a_billion_students() -> None:
    x, y = wide_family()[10**9]
    found = certify_reduced([1, 10**9 - 1], [(1, 0), (10**9 - 1, 1)], x, y)
    assert found["verdict"] == "minimum"
    # (1/2 - 2/pi^2) / K - 32 / (3 pi^4) K^(-3/2) + O(K^-2)
    asymptote = (0.5 - 2 / np.pi**2) / 1e9 - 32 / (3 * np.pi**4) * 1e9**-1.5
    assert float(found["loss"]["lower"]) == pytest.approx(asymptote, rel=1e-6)


def test_huge_index_is_written_as_digits() -> None:
    """Every student at half its teacher: no critical point, so the matrix is asked directly."""
    width = 10**9
    blocks = normalised(Structure((width,), (0,)), [[arb(0)]], [arb("0.3")])
    with precision(192):
        found = span_index(blocks)
    assert found > 2**53
    assert found <= width**2


def test_global_minimum_is_not_spurious() -> None:
    for teachers in ((6,), (2, 5), (1, 3), (1, 1, 10**6)):
        students: list[tuple[int, int | None]] = [(p, t) for t, p in enumerate(teachers)]
        x = [
            [1 / np.sqrt(p) if t == s else 0.0 for t, p in enumerate(teachers)]
            for s in range(len(teachers))
        ]
        found = certify_reduced(teachers, students, x, [1.0] * len(teachers))
        assert (found["verdict"], found["spurious"]) == ("minimum", False)
        assert Fraction(found["loss"]["lower"]) == 0
        assert found["smallest_eigenvalue_span"] == pytest.approx(0.25 - 0.5 / np.pi, rel=2e-6)


def test_split_students_are_refused() -> None:
    """A unit of zero loss split in two single students: a continuum."""
    found = certify_reduced(
        [1, 3],
        [(1, None), (1, None), (3, 1)],
        [[0.5, 0.0], [0.5, 0.0], [0.0, 1 / np.sqrt(3)]],
        [None, None, 1.0],
        polish=False,
    )
    assert found["verdict"] == "not certified"
    assert "continuum" in found["reason"]


def test_parallel_students_of_positive_loss_are_refused() -> None:
    x, y = _read_off(anti_aligned(6, 1), (1, 5), [(1, None), (5, 1)])
    halves = [[0.5 * v for v in x[0]]] * 2
    found = certify_reduced(
        [1, 5], [(1, None), (1, None), (5, 1)], [*halves, x[1]], [None, None, y[1]], polish=False
    )
    assert found["verdict"] == "not certified"
    assert "blocks 1 and 2 are parallel" in found["reason"]


def test_zero_and_random_points_are_refused() -> None:
    zero = certify_reduced([2], [(2, 0), (1, None)], [[0.7], [0.0]], [1.0, None])
    assert "student block 2 is zero" in zero["reason"]
    random = certify_reduced([2, 3], [(2, 0), (3, 1)], [[0.3, 0.9], [-0.4, 0.2]], [0.5, 0.8])
    assert random["verdict"] == "not certified"


@pytest.mark.parametrize(
    ("teachers", "students", "x", "y", "words"),
    [
        ([], [(1, None)], [[]], [None], "between 1 and"),
        ([0], [(1, None)], [[1.0]], [None], "integers"),
        ([2.0], [(1, None)], [[1.0]], [None], "integers"),
        ([2], [(2, None)], [[1.0]], [None], "identical"),
        ([2], [(3, 0)], [[1.0]], [1.0], "does not fit"),
        ([2], [(2, 1)], [[1.0]], [1.0], "does not fit"),
        ([2], [(2, 0)], [[1.0, 2.0]], [1.0], "shape"),
        ([2], [(2, 0)], [[1.0]], [], "shape"),
        ([2], [(2, 0)], [[float("nan")]], [1.0], "finite"),
    ],
)
def test_impossible_structures_raise(
    teachers: Any, students: Any, x: Any, y: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        certify_reduced(teachers, students, x, y)


def test_unusable_precision_raises() -> None:
    with pytest.raises(InputError, match="bits"):
        certify_reduced([2], [(2, 0)], [[1.0]], [1.0], bits=10)
