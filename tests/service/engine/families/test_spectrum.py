"""The complete spectrum against dense ones, and against refined structures where none exists."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import Point, embed, from_values, stacked, values
from relu_landscape.engine.families.reduced import evaluate
from relu_landscape.engine.families.spectrum import Line, component, components, spectrum, summaries
from relu_landscape.engine.families.structures import Structure, parse

from . import oracle
from .shapes import KINDS, random_point


def _dense(lines: list[Line], space: str) -> np.ndarray:
    chosen = [line for line in lines if line.space == space]
    return np.sort(np.repeat([x.eigenvalue for x in chosen], [int(x.multiplicity) for x in chosen]))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_structure_has_the_dense_spectrum(name: str) -> None:
    for seed in range(2):
        point = random_point(name, seed)
        W, lines = embed(point), spectrum(point)
        assert all(type(line.multiplicity) is int for line in lines)
        for space, matrix in (
            ("span", oracle.hessian(W)),
            ("perpendicular", oracle.perpendicular(W)),
        ):
            expected = np.linalg.eigvalsh(matrix)
            assert len(_dense(lines, space)) == len(expected)
            # eigenvalues of order 10 at these random points, short students included
            np.testing.assert_allclose(_dense(lines, space), expected, rtol=0, atol=5e-13)


def test_the_identity_has_the_known_spectrum() -> None:
    """At W = I with K = M the smallest eigenvalue is 1/4 - 1/(2 pi) at every width."""
    for width in (5, 100, 10**6, 10**9):
        lines = spectrum(Point(parse(str(width)), (1,), np.zeros(2)))
        least = min(line.eigenvalue for line in lines if line.space == "span")
        # the stiff eigenvalue K/4 leaves 1e-16 K in its own component; the least is in another
        assert least == pytest.approx(1 / 4 - 1 / (2 * np.pi), abs=1e-14)
        count = sum(line.multiplicity for line in lines if line.space == "span")
        assert count == width**2
        assert type(count) is int


def test_multiplicities_are_exact_beyond_doubles() -> None:
    width = 10**9
    lines = spectrum(random_point(f"1+{width - 1}"))
    counts: Counter[str] = Counter()
    for line in lines:
        if line.space == "span":
            counts[line.component.split("(")[0]] += int(line.multiplicity)
    p = width - 1
    assert counts["symmetric"] == p * (p - 3) // 2
    assert counts["alternating"] == (p - 1) * (p - 2) // 2
    assert sum(counts.values()) == width**2


def test_a_summary_counts_eigenvalues_with_their_multiplicities() -> None:
    for name in ("2+5", "1+3 extra 1", "2x2+3"):
        point = random_point(name)
        (found,) = summaries(components(layout(point.structure), *stacked([point])))
        lines = spectrum(point)
        for space, index, least in (
            ("span", found.index_span, found.min_eigenvalue_span),
            ("perpendicular", found.index_perpendicular, found.min_eigenvalue_perpendicular),
        ):
            dense = _dense(lines, space)
            assert index == int(np.sum(dense < -found.tolerance))
            assert least == dense[0]


def _refined(point: Point, parts: tuple[int, ...]) -> Point:
    """The same weights with the last teacher block cut into ``parts``."""
    old = layout(point.structure)
    z = values(old, point)
    last = len(old.p) - 1
    p, n = old.p[last], len(old.q)
    whole = point.structure
    sizes = (*whole.sizes[:-1], *parts)
    structure = Structure(sizes, (*whole.counts[:-1], *(1 for _ in parts)), whole.extra)
    table = layout(structure)
    new = np.zeros(table.unknowns)
    kept = [s for s in range(n) if old.own[s] != last]
    source = (
        kept[: n - 1 - whole.extra]
        + [n - 1 - whole.extra] * len(parts)
        + kept[n - 1 - whole.extra :]
    )
    for s, origin in enumerate(source):
        mean = z[old.x(origin, last)] / np.sqrt(p)
        natural = old.own[origin] == last
        y = z[old.y(origin)] if natural else 0.0
        for t in range(last):
            new[table.x(s, t)] = z[old.x(origin, t)]
        for k, size in enumerate(parts):
            mine = natural and s - source.index(origin) == k
            value = mean - y / p + (y / size if mine else 0.0)
            new[table.x(s, last + k)] = value * np.sqrt(size)
        if table.own[s] is not None:
            new[table.y(s)] = z[old.y(origin)]
    return from_values(table, new)


@pytest.mark.parametrize("name", ["12", "3+9", "1+9 extra 1", "1+999999", "400000+600000"])
def test_splitting_a_block_shows_its_components_in_the_reduced_hessian(name: str) -> None:
    """spec(1, p-1) = trivial + standard, (2, p-2) adds symmetric, (1, 1, p-2) alternating.

    Independent of the closed forms, and possible at widths where no dense Hessian is.
    """
    point = random_point(name)
    found = {
        c.key: c.eigenvalues[0] for c in components(layout(point.structure), *stacked([point]))
    }
    last = len(point.structure.sizes)
    p = int(point.structure.sizes[-1])
    standard = found[f"standard({last})"]
    symmetric, alternating = found[f"symmetric({last})"], found[f"alternating({last})"]
    for parts, expected in (
        ((1, p - 1), [standard]),
        ((2, p - 2), [standard, symmetric]),
        ((1, 1, p - 2), [standard, standard, symmetric, alternating]),
    ):
        finer = _refined(point, parts)
        got = np.linalg.eigvalsh(evaluate(layout(finer.structure), *stacked([finer])).hessian[0])
        wanted = np.sort(np.concatenate([found["trivial"], *expected]))
        # both sides carry stiff eigenvalues of order K/4: rounding of 1e-16 K per entry
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=max(2e-13, 1e-14 * sum(parts)))


def test_one_component_alone_is_the_same_as_among_all() -> None:
    point = random_point("2+3x2 extra 1")
    table = layout(point.structure)
    for c in components(table, *stacked([point])):
        assert np.array_equal(component(table, *stacked([point]), c.key), c.eigenvalues)
    with pytest.raises(KeyError):
        component(table, *stacked([point]), "standard(9)")


def test_components_change_smoothly_along_real_sizes() -> None:
    """Difference quotients of eigenvalues from both sides of an integral size agree."""
    table = layout(parse("2+7"))
    z = np.random.default_rng(1).normal(size=table.unknowns)
    step = 1e-5  # quotients differ by step times the second derivative
    rows = []
    for size in (7 - step, 7, 7 + step):
        here = layout(parse("2+7").resized((2, size)))
        point = from_values(here, z)
        rows.append({c.key: c.eigenvalues[0] for c in components(here, *stacked([point]))})
    assert rows[0].keys() == rows[1].keys() == rows[2].keys()
    for key, middle in rows[1].items():
        left, right = middle - rows[0][key], rows[2][key] - middle
        np.testing.assert_allclose(left, right, atol=1e-8)
        assert np.all(np.abs(left) < 1e-3)
