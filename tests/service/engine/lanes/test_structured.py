"""The kernel's search of structures against the arrays': each step, each loss, and the ends."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from relu_landscape.engine.families import rounds, solver
from relu_landscape.engine.families.compiled import shape
from relu_landscape.engine.families.layout import Layout, layout
from relu_landscape.engine.families.points import stacked
from relu_landscape.engine.families.reduced import evaluate
from relu_landscape.engine.families.starts import random_starts
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.lanes.structured import (
    AT_ZERO_LOSS,
    CONVERGED,
    GAVE_UP,
    Searched,
    SearchRules,
    search,
)
from tests.service.engine.families.shapes import KINDS, random_point
from tests.service.engine.lanes.setups import KERNELS, name
from tests.service.engine.oracles import Real

pytestmark = pytest.mark.parametrize("kernel", KERNELS, ids=name)

#: Of a digest below: they shall not change with a constant of ``families.solver``.
RULES = SearchRules(1e-13, -np.inf, 1e-3, 16.0, 1e-3, 1e-2, 0.3, 4.0, 1e8, 79.0, 1e-12, 0.1)
DIGEST = "a19b82105560f11b5cc6c0a3ecea34754a752680fef2fc0d029f42d57bcc98b4"


def one_step(kernel: Kernel, table: Layout, at: tuple[Real, Real], **changed: float) -> Searched:
    """A single trial, taken whatever comes of it only if Newton's."""
    rules = replace(RULES, tolerance=0.0, most_trials=1.0, **changed)
    return search(kernel, shape(table), rules, *at)


@pytest.mark.parametrize("structure", KINDS)
def test_the_gradient_is_that_of_the_arrays(kernel: Kernel, structure: str) -> None:
    table = layout(parse(structure))
    for seed in range(3):
        at = stacked([random_point(structure, seed)])
        found = search(kernel, shape(table), replace(RULES, most_trials=0.0), *at)
        assert (found.outcome[0], found.trials[0]) == (GAVE_UP, 0)
        expected = np.linalg.norm(evaluate(table, *at).gradient)
        # a hundred terms of order 1 to 10 each, in both computations
        assert found.norm[0] == pytest.approx(expected, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("structure", KINDS)
def test_a_newton_step_is_that_of_the_arrays(kernel: Kernel, structure: str) -> None:
    """Every entry of gradient and Hessian matters in it, and the solution with pivots."""
    table = layout(parse(structure))
    for seed in range(3):
        at = stacked([random_point(structure, seed)])
        here = evaluate(table, *at)
        step = np.linalg.solve(here.hessian[0], here.gradient[0])
        always = {"newton_below": np.inf, "newton_gain": 1e-300}
        found = one_step(kernel, table, at, **always)
        # backward stable both: the error is that of the data times the condition
        condition = np.linalg.cond(here.hessian[0])
        error = np.linalg.norm((at[0][0] - found.deviations[0]) * table.scale - step)
        assert error <= 1e-13 * condition * np.linalg.norm(step)
        assert found.trials == 1


@pytest.mark.parametrize("structure", KINDS)
def test_a_damped_step_is_that_of_the_arrays(kernel: Kernel, structure: str) -> None:
    """So much damping that every step is an improvement."""
    table = layout(parse(structure))
    at = stacked([random_point(structure, 1)])
    here = evaluate(table, *at)
    g, normal = here.gradient[0], here.hessian[0] @ here.hessian[0]
    damping = 10.0 * float(np.linalg.norm(normal))
    system = normal + damping * np.diag(1 + RULES.diagonal_share * np.diag(normal))
    step = np.linalg.solve(system, here.hessian[0] @ g)
    found = one_step(kernel, table, at, first_damping=damping, newton_below=0.0)
    moved = (at[0][0] - found.deviations[0]) * table.scale
    np.testing.assert_allclose(moved, step, rtol=0, atol=1e-12 * float(np.linalg.norm(step)))
    assert np.any(moved)


@pytest.mark.parametrize("structure", [*KINDS, "1+99999", "2+4x2+100000"])
def test_the_loss_is_that_of_the_arrays(kernel: Kernel, structure: str) -> None:
    """Told by whether a start counts as at zero loss; at large widths the plain sum is wrong."""
    table = layout(parse(structure))
    deviations, signs = stacked([random_point(structure)])
    for scale in (1.0, 1e-3):
        here = (scale * deviations, signs)
        loss = float(evaluate(table, *here).loss[0])
        for nearly, outcome in ((1 + 1e-11, AT_ZERO_LOSS), (1 - 1e-11, GAVE_UP)):
            rules = replace(RULES, tolerance=0.0, most_trials=0.0, zero_loss=loss * nearly)
            assert search(kernel, shape(table), rules, *here).outcome == outcome


@pytest.mark.parametrize(
    "structure", ["7", "1+6", "1+2+4", "4+13 extra 1", "1+5x2+5", "4+2x0 extra 1", "2x2+3"]
)
def test_starts_end_where_the_arrays_take_them(kernel: Kernel, structure: str) -> None:
    """But for a few that rounding sends elsewhere: a start goes through eighty trials."""
    table = layout(parse(structure))
    at = random_starts(table, 5, 0, 128)
    zero_loss = rounds._zero_loss(table)
    with np.errstate(all="ignore"):
        theirs = solver.converge(table, *at, zero_loss=zero_loss)
    mine = solver.converge(table, *at, zero_loss=zero_loss, kernel=kernel)
    assert np.sum(mine.success != theirs.success) <= 4
    assert np.sum(mine.at_zero != theirs.at_zero) <= 1
    ended = mine.success & theirs.success
    assert ended.sum() >= 40
    reached = mine.deviations[mine.success], at[1][mine.success]
    norms = np.linalg.norm(evaluate(table, *reached).gradient, axis=1)
    listed = [not reason for reason in rounds._reasons(table, *reached)]
    # the tolerance, with the rounding of two ways to compute the gradient; beside a kink, where a
    # student is nearly zero and nothing is listed, that is more
    assert norms[listed].max() <= 2 * solver.gradient_tolerance(table)
    # on flat families ends differ by more, but not in their loss
    losses = evaluate(table, theirs.deviations[ended], at[1][ended]).loss
    mine_losses = evaluate(table, mine.deviations[ended], at[1][ended]).loss
    assert np.sum(np.abs(losses - mine_losses) > 1e-12) <= 2


def test_a_start_in_any_company_has_the_same_bits(kernel: Kernel) -> None:
    """In a batch, alone, and beside starts that are no numbers; with each set of instructions."""
    for structure in ("1+2+4", "2x2+3 extra 1"):
        table = layout(parse(structure))
        deviations, signs = random_starts(table, 0, 0, 40)
        deviations[7] = np.nan
        whole = search(kernel, shape(table), RULES, deviations, signs)
        assert set(whole.outcome) <= {CONVERGED, GAVE_UP}
        order = np.random.default_rng(1).permutation(40)
        for who in KERNELS:
            for members in (order, order[:9], np.array([7]), np.array([3]), np.arange(5, 9)):
                found = search(who, shape(table), RULES, deviations[members], signs[members])
                for field in ("deviations", "norm", "outcome", "trials"):
                    bits = getattr(found, field).tobytes()
                    assert bits == getattr(whole, field)[members].tobytes()


def test_numbers_of_this_version(kernel: Kernel) -> None:
    """Whoever changes a bit raises LANES_VERSION and ``native.VERSION`` with it."""
    found = hashlib.sha256()
    for structure in ("1+2+4", "2+4x2 extra 2", "3x0+4"):
        table = layout(parse(structure))
        places = np.arange(11 * table.unknowns)
        starts = ((places * places * 7 + places * 3 + 1) % 1009 / 1009.0 - 0.5).reshape(11, -1)
        signs = np.where(np.arange(11 * len(table.natural)).reshape(11, -1) % 3, 1.0, -1.0)
        there = search(kernel, shape(table), RULES, starts, signs)
        for array in (there.deviations, there.norm, there.outcome, there.trials):
            found.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    assert found.hexdigest() == DIGEST


def test_starts_that_cannot_converge_are_given_up(kernel: Kernel) -> None:
    table = layout(parse("1+4"))
    deviations, signs = random_starts(table, 0, 0, 4)
    deviations[1] = np.nan
    deviations[2, : len(table.p)] = 0  # the unit is zero: no derivative there
    found = search(kernel, shape(table), RULES, deviations, signs)
    assert found.outcome[1] == found.outcome[2] == GAVE_UP
    assert not np.isfinite(found.norm[1])
    alone = search(kernel, shape(table), RULES, deviations[:0], signs[:0])
    assert alone.deviations.shape == (0, table.unknowns)


def test_trials_are_bounded(kernel: Kernel) -> None:
    table = layout(parse("1+4+12"))
    at = random_starts(table, 0, 0, 128)
    for most in (0, 3, 79):
        found = search(kernel, shape(table), replace(RULES, most_trials=float(most)), *at)
        assert found.trials.max() == most
        assert np.all((found.outcome == CONVERGED) == (found.norm <= RULES.tolerance))


def test_what_does_not_fit_is_refused(kernel: Kernel) -> None:
    table = layout(parse("1+4"))
    deviations, signs = random_starts(table, 0, 0, 4)
    with pytest.raises(ValueError, match="deviations has shape"):
        search(kernel, shape(table), RULES, deviations[:, :-1], signs)
    with pytest.raises(ValueError, match="signs has shape"):
        search(kernel, shape(table), RULES, deviations, signs[:2])
    short = replace(shape(table), weight=np.ones(2))
    with pytest.raises(ValueError, match="weight has shape"):
        search(kernel, short, RULES, deviations, signs)
    before = deviations.copy()
    search(kernel, shape(table), RULES, deviations, signs)
    assert np.array_equal(deviations, before)
