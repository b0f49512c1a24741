"""SGD in dimension d against its equations for d to infinity: how the gap falls with d and gamma.

    python -m benchmarks.sgd_gaps > table.md     (from the repository root; one core, ten minutes)

All runs begin at the same overlaps. Beside the tables, the figure docs/images/sgd-gaps.svg is drawn
from them. Errors are standard errors over independent runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._loglog import Series, drawn
from benchmarks._record import ROOT, Record
from relu_landscape.engine.descent import starts
from relu_landscape.engine.dynamics.chain import Chain, Layout, Runs
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State
from relu_landscape.engine.lanes.native import load
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.second_moment import SecondMoment

Real = NDArray[np.float64]

WIDTH, GAMMA, TIME = 6, 0.4, 2.0
#: Dimensions, and steps of all runs together in each: the mean of n runs is known to a few parts in
#: (d n)^(1/2), so the same work knows it equally well in each, and the gap falls as 1/d.
DIMENSIONS, STEPS = (30, 100, 300, 1000, 10_000), 40_000_000
#: Of the fit of the gap of the mean: beyond, it is beneath its error.
FITTED = (100, 300, 1000)
TOGETHER = 512
TOLERANCE = 1e-6
LEARNING_RATES = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)
#: Label noise at zero loss: gamma, standard deviation, dimension, runs, and times after that.
NOISY, SIGMA, NOISY_DIMENSION, NOISY_RUNS = (0.05, 0.1, 0.2), 0.3, 300, 32
NOISY_TIMES = np.arange(30.0, 61.0, 2.0)
FIGURE = Path("docs/images/sgd-gaps.svg")


@cache
def beginning() -> Real:
    """Students (K, M + K) that every run begins with."""
    teacher = make_teacher(WIDTH)
    drawn = starts.draw([0], seed=0, students=WIDTH, teacher=teacher, dimension=1000)
    return np.asarray(drawn[0])


def overlaps(W: Real) -> Real:
    """R and the upper triangle of Q, in one row for each of ``W`` (n, K, p)."""
    i, j = np.triu_indices(WIDTH)
    Q = W @ np.swapaxes(W, -1, -2)
    return np.concatenate([W[..., :WIDTH].reshape(len(W), -1), Q[:, i, j]], axis=1)


def equations(gamma: float) -> Real:
    """The overlaps at ``TIME`` for d to infinity; gradient flow at gamma = 0."""
    teacher = make_teacher(WIDTH)
    integrator = Integrator(teacher, Noise(gamma), tolerance=TOLERANCE)
    run = integrator.run(State.of(beginning(), teacher), [TIME], steps=10**6)
    return np.asarray(overlaps(run.recorded)[0])


def runs_of(dimension: int) -> Real:
    """The overlaps of simulated runs at ``TIME``, (n, .)."""
    teacher, layout = make_teacher(WIDTH), Layout.of(WIDTH, WIDTH, dimension, 1)
    steps = round(TIME * dimension / GAMMA)
    chain = Chain(teacher, layout, Noise(GAMMA), seed=2, kernel=load())
    found = []
    for first in range(0, STEPS // steps, TOGETHER):
        names = tuple(range(first, min(first + TOGETHER, STEPS // steps)))
        W = np.repeat(beginning()[None], len(names), axis=0)
        _, recorded = chain.run(
            Runs.begin(names, W, teacher),
            first_stretch=0, stretches=-(-steps // layout.stretch), steps=[steps],
        )  # fmt: skip
        found.append(overlaps(recorded[:, 0]))
    return np.concatenate(found)


@dataclass(frozen=True)
class Gap:
    """Of ``runs`` in one dimension: spread, its error, mean gap (a vector), covariance of that."""

    dimension: int
    runs: int
    spread: float
    error: float
    mean: Real
    covariance: Real

    @staticmethod
    def of(dimension: int, limit: Real) -> Gap:
        found = runs_of(dimension) - limit
        off = np.sum((found - found.mean(axis=0)) ** 2, axis=1)
        n = len(found)
        spread = float(np.sqrt(off.sum() / (n - 1)))
        error = float(off.std(ddof=1) / np.sqrt(n) / (2.0 * spread))
        return Gap(dimension, n, spread, error, found.mean(axis=0), np.cov(found.T) / n)

    def along(self, direction: Real) -> tuple[float, float]:
        """The mean gap along a unit vector, and its standard error."""
        return float(self.mean @ direction), float(np.sqrt(direction @ self.covariance @ direction))


def exponent(
    x: Sequence[float], y: Sequence[float], errors: Sequence[float]
) -> tuple[float, float]:
    """Of ``y = c x^exponent``, by weighted least squares of the logarithms; with its error."""
    weights = (np.asarray(y) / np.asarray(errors)) ** 2
    at = np.log(x) - np.average(np.log(x), weights=weights)
    power = float(np.sum(weights * at * np.log(y)) / np.sum(weights * at**2))
    return power, float(1.0 / np.sqrt(np.sum(weights * at**2)))


def by_dimension(record: Record) -> list[Series]:
    """Spread and mean gap of SGD about the equations."""
    gaps = [Gap.of(dimension, equations(GAMMA)) for dimension in DIMENSIONS]
    # One direction for all: that of the gap where it is best known beside its size.
    first = gaps[0].mean / np.linalg.norm(gaps[0].mean)
    along = [gap.along(first) for gap in gaps]
    print(f"\nK = M = {WIDTH}, gamma = {GAMMA}, time {TIME:g}\n")
    print("| d | runs | spread of a run | mean gap |\n|---|---|---|---|")
    for gap, (mean, error) in zip(gaps, along, strict=True):
        record.add(f"spread, d = {gap.dimension}", "overlap", gap.spread)
        record.add(f"mean gap, d = {gap.dimension}", "overlap", mean)
        print(
            f"| {gap.dimension:,} | {gap.runs:,} | {gap.spread:.5f} ± {gap.error:.5f} | "
            f"{mean:.5f} ± {error:.5f} |"
        )
    spread, its = exponent(DIMENSIONS, [gap.spread for gap in gaps], [gap.error for gap in gaps])
    fitted = [place for place, d in enumerate(DIMENSIONS) if d in FITTED]
    mean, of_mean = exponent(FITTED, *zip(*(along[place] for place in fitted), strict=True))
    print(f"\nexponents of d: spread {spread:.3f} ± {its:.3f}, mean gap {mean:.2f} ± {of_mean:.2f}")
    record.add("exponent of the spread", "power of d", spread)
    record.add("exponent of the mean gap", "power of d", mean)
    return [
        Series("spread of a run", list(DIMENSIONS), [gap.spread for gap in gaps], -0.5),
        Series("mean gap", list(FITTED), [along[place][0] for place in fitted], -1.0),
    ]


def by_rate(record: Record) -> Series:
    """What the learning rate does to the overlaps for d to infinity."""
    flow = equations(0.0)
    gaps = [float(np.linalg.norm(equations(gamma) - flow)) for gamma in LEARNING_RATES]
    print(f"\nd to infinity, time {TIME:g}\n\n| gamma | gap to gradient flow |\n|---|---|")
    for gamma, gap in zip(LEARNING_RATES, gaps, strict=True):
        print(f"| {gamma} | {gap:.6f} |")
    power = np.diff(np.log(gaps[:2]))[0] / np.diff(np.log(LEARNING_RATES[:2]))[0]
    print(f"\nexponent of gamma between the two smallest: {power:.3f}")
    record.add("exponent of gamma", "power", float(power))
    return Series("gap to gradient flow", list(LEARNING_RATES), gaps, 1.0)


def label_noise(record: Record) -> None:
    """The loss at zero loss with noisy labels."""
    teacher = make_teacher(WIDTH)
    layout = Layout.of(WIDTH, WIDTH, NOISY_DIMENSION, 1)
    W = np.zeros((NOISY_RUNS, WIDTH, layout.coordinates))
    W[..., :WIDTH] = np.eye(WIDTH)
    unit = SIGMA**2 * WIDTH / 8.0
    moments = SecondMoment.at(np.eye(WIDTH), teacher, label_noise=SIGMA)
    print(
        f"\nLabel noise {SIGMA} at zero loss, K = M = {WIDTH}, d = {NOISY_DIMENSION:,}: loss over"
    )
    print("gamma sigma^2 K / 8\n\n| gamma | second moments | SGD |\n|---|---|---|")
    for gamma in NOISY:
        steps = [round(time * NOISY_DIMENSION / gamma) for time in NOISY_TIMES]
        chain = Chain(teacher, layout, Noise(gamma, SIGMA), seed=3, kernel=load())
        _, found = chain.run(
            Runs.begin(tuple(range(NOISY_RUNS)), W, teacher),
            first_stretch=0, stretches=-(-steps[-1] // layout.stretch), steps=steps,
        )  # fmt: skip
        each = np.asarray(population.loss(found, teacher)).mean(axis=1) / (gamma * unit)
        mean, error = float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
        record.add(f"label noise, gamma {gamma}", "gamma sigma^2 K / 8", mean)
        rise = moments.rise(gamma) / (gamma * unit)
        print(f"| {gamma} | {rise:.4f} | {mean:.4f} ± {error:.4f} |", flush=True)


def main() -> None:
    record = Record("sgd-gaps")
    label_noise(record)
    rate = by_rate(record)
    dimension = by_dimension(record)
    (ROOT / FIGURE).write_text(drawn([("d", dimension), ("gamma", [rate])]), encoding="utf-8")
    record.write()


if __name__ == "__main__":
    main()
