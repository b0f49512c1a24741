"""Structures of units that leak, against the whole problem's loss, gradient and Hessian."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from relu_landscape.engine.families.coarse import coarsest
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.network import at_rest
from relu_landscape.engine.families.points import embed, stacked
from relu_landscape.engine.families.recognised import beside
from relu_landscape.engine.families.reduced import evaluate
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.spectrum import components, whole
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import classify
from tests.service.engine.usual import here

from .shapes import KINDS, random_point

LEAKS = (-0.5, 0.1, 0.9)


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("name", KINDS)
def test_loss_gradient_and_spectrum_are_those_of_the_whole_weights(name: str, leak: float) -> None:
    point = random_point(name, seed=2)
    point = replace(point, structure=replace(point.structure, leak=leak))
    table, W = layout(point.structure), embed(point)
    teacher = make_teacher(W.shape[1], None, leak)
    found = evaluate(table, *stacked([point]))
    size = float(np.sum(W * W)) * len(W) * max(1.0, table.level)
    assert found.loss[0] == pytest.approx(float(population.loss(W, teacher)), abs=1e-14 * size)
    slope = float(np.linalg.norm(population.gradient(W, teacher)))
    assert float(np.linalg.norm(found.gradient[0])) == pytest.approx(slope, abs=1e-14 * size)
    parts = components(table, *stacked([point]))
    H, A = population.hessian(W, teacher)
    spectra = ((H, whole(parts, "span")), (A, whole(parts, "perpendicular")))
    for matrix, eigenvalues in spectra:
        wanted = np.asarray(np.linalg.eigvalsh(matrix), dtype=np.float64)
        # random points have pairs at small angles, whose terms grow like 1 / sine
        tolerance = 1e-11 * max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(eigenvalues, wanted, rtol=0.0, atol=tolerance)


@pytest.mark.parametrize(("name", "leak"), [("1+5", -0.5), ("1+5", 0.5), ("1x0+5", 0.9)])
def test_the_native_search_finds_what_arrays_find(name: str, leak: float) -> None:
    kernel = here()
    if kernel is None:
        pytest.skip("no kernel was compiled")
    structure = parse(name, leak=leak)
    mine, theirs = search(structure, kernel=kernel), search(structure)
    assert mine.complete
    assert mine.minima
    losses = [[point.loss for point in found.minima] for found in (mine, theirs)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("leak", LEAKS)
def test_minima_of_a_structure_are_minima_of_the_whole_problem(leak: float) -> None:
    """Newton's method on all weights stays, and finds the same eigenvalues."""
    structure = parse("1+5", leak=leak)
    teacher = make_teacher(6, None, leak)
    minima = search(structure, kernel=here()).minima
    assert minima
    for found in minima:
        symmetric = at_rest(found.point, teacher)
        assert symmetric is not None
        W = embed(found.point)
        point = classify.classify(W, teacher)
        assert point.moved < 1e-10
        np.testing.assert_allclose(
            symmetric.span, point.span, rtol=0.0, atol=1e-11 * point.span[-1]
        )
        assert symmetric.span[0] > 0.0
        again = beside(W, teacher)
        assert again is not None
        assert again.loss == pytest.approx(point.loss, abs=1e-15)
        assert coarsest(found.point).structure.leak == leak


def test_the_leak_is_no_part_of_a_name_and_stays_with_the_structure() -> None:
    structure = parse("5+1 extra 1", leak=0.5)
    assert structure.name == parse("5+1 extra 1").name
    assert structure != parse("5+1 extra 1")
    assert structure.canonical().leak == structure.resized((7, 1)).leak == 0.5
