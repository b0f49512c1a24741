"""The reduced problem beside the whole one, and beside differences along its surfaces."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.structured.equations import evaluate, plain, returned
from relu_landscape.engine.descents.structured.patterns import Counts, patterns_of
from relu_landscape.engine.descents.structured.table import Places, Table, spread, table_of

Real = NDArray[np.float64]

CASES = {
    "normalised": (Counts((5,), (5,), 5, may_coincide=True), [1.0], [1.0, 0.0]),
    "signs": (Counts((3, 2), (3, 2), 3), [1.0, -1.0], [1.0, -0.5, 0.0]),
    "orthonormalised": (Counts((6,), (4,), 3, is_orthonormal=True), [1.0], [1.0, 0.0]),
    "fewer students": (Counts((3,), (6,), 3), [1.0], [1.0, 0.0]),
}


def tables(case: str) -> list[tuple[Table, Places, Layers]]:
    counts, a, b = CASES[case]
    students = [c for c, n in enumerate(counts.students) for _ in range(n)]
    teachers = [c for c, n in enumerate(counts.teachers) for _ in range(n)]
    layers = Layers(np.array(a)[students], np.array(b)[teachers])
    found = []
    for pattern in patterns_of(counts):
        table = table_of(
            pattern, np.array(a), np.array(b), keeps_norms=counts.may_coincide,
            is_orthonormal=counts.is_orthonormal,
        )  # fmt: skip
        assert table.unknowns == pattern.unknowns
        found.append((table, Places.of(table, students, teachers), layers))
    assert len(found) >= 5
    return found


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_whole_problem_on_its_subspace(case: str) -> None:
    """Loss, gradient and Hessian through the coordinates of every pattern; and the gradient of the
    whole problem has no part across the subspace, which is symmetric criticality itself."""
    rng = np.random.default_rng(0)
    for table, places, layers in tables(case):
        basis = np.array([spread(table, e, places).ravel() for e in np.eye(table.unknowns)])
        z = rng.standard_normal((2, table.unknowns))
        loss, gradient, hessian = plain(table, z)
        for row in range(2):
            W = spread(table, z[row], places)
            g = layers.gradient(W[None])[0].ravel()
            assert loss[row] == pytest.approx(float(layers.loss(W[None])[0]), abs=1e-12)
            assert gradient[row] == pytest.approx(basis @ g, abs=1e-12)
            assert hessian[row] == pytest.approx(basis @ layers.hessian(W)[0] @ basis.T, abs=1e-11)
            inside = np.linalg.lstsq(basis.T, g, rcond=None)[0] @ basis
            assert g == pytest.approx(inside, abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_unknowns_are_lengths(case: str) -> None:
    """Where no students are kept equal, z are orthonormal coordinates of the weights."""
    for table, places, _ in tables(case):
        if all(block.copies == 1 for block in table.students):
            basis = np.array([spread(table, e, places).ravel() for e in np.eye(table.unknowns)])
            assert basis @ basis.T == pytest.approx(np.eye(table.unknowns), abs=1e-14)


@pytest.mark.parametrize("case", ["normalised", "orthonormalised"])
def test_riemannian_derivatives_are_those_along_the_surface(case: str) -> None:
    """Slopes and bends of the loss along ways that go on the surface: where z moves along a tangent
    and is taken back, a second difference has the Riemannian Hessian and the slope times the bend
    of the way, which is taken from differences as well."""
    rng, tiny, seen = np.random.default_rng(1), 1e-3, 0
    for table, places, _ in tables(case):
        with np.errstate(all="ignore"):
            drawn = returned(table, rng.standard_normal((100, table.unknowns)))
        drawn = drawn[np.all(np.isfinite(drawn), axis=1)]
        assert len(drawn)  # Newton's way back is no short one from everywhere
        z = returned(table, drawn[:1])
        W = spread(table, z[0], places)
        norms = np.linalg.norm(W, axis=1)
        assert norms == pytest.approx(1.0, abs=1e-12)
        if case == "orthonormalised":
            assert np.abs(W @ W.T - np.eye(len(W))).max() < 1e-12
        here = evaluate(table, z)
        tangent = (np.eye(table.unknowns) - here.across[0]) @ rng.standard_normal(table.unknowns)
        if not np.linalg.norm(tangent) > 1e-9:
            continue  # isolated points: nothing can move
        tangent /= np.linalg.norm(tangent)
        ahead = returned(table, z + tiny * tangent)
        behind = returned(table, z - tiny * tangent)
        losses = [float(plain(table, each)[0][0]) for each in (ahead, z, behind)]
        bend = (ahead + behind - 2.0 * z)[0] / tiny**2
        slope = (losses[0] - losses[2]) / (2.0 * tiny)
        second = (losses[0] + losses[2] - 2.0 * losses[1]) / tiny**2
        assert here.gradient[0] @ tangent == pytest.approx(slope, abs=1e-4)
        expected = tangent @ here.hessian[0] @ tangent
        # The part of the bend along the surface is met by the Riemannian gradient.
        assert second - here.gradient[0] @ bend == pytest.approx(expected, abs=1e-4)
        seen += 1
    assert seen >= 5
