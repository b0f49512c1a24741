"""SGD at finite learning rates against the theory: loss beside a minimum, and where that is stable.

    python -m benchmarks.sgd > table.md     (from the repository root; one core, some ten minutes)

Prints tables in Markdown and keeps the figures in benchmarks/runs. Errors are standard errors over
independent runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks._record import Record
from relu_landscape.engine.dynamics.chain import Chain, Layout, Runs
from relu_landscape.engine.dynamics.ode import Noise
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.lanes.native import load
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import critical_learning_rate, loss_shift
from relu_landscape.engine.noise.second_moment import SecondMoment

Real = NDArray[np.float64]

#: Beside the minimum with one anti-aligned student, K = M = 8.
DIMENSION, RUNS = 300, 64
LEARNING_RATES = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3)
TIMES = np.arange(40.0, 101.0, 2.0)
#: Bisection of the largest stable learning rate: in d dimensions, by what the loss beside the
#: global minimum, so small that all is linear, has done after a time.
STABLE_DIMENSION, STABLE_RUNS, STABLE_TIME, BISECTIONS = 1000, 128, 40.0, 7


def simulated(W: Real, gamma: float, dimension: int, times: Real, runs: int) -> Real:
    """Weights (runs, times, K, M + K) of SGD from ``W`` (K, p), as many students as teachers."""
    K, teacher = len(W), make_teacher(len(W))
    layout = Layout.of(K, K, dimension, 1)
    first = np.zeros((runs, K, layout.coordinates))
    first[..., : W.shape[1]] = W
    steps = [round(time * dimension / gamma) for time in times]
    chain = Chain(teacher, layout, Noise(gamma), seed=1, kernel=load())
    _, found = chain.run(
        Runs.begin(tuple(range(runs)), first, teacher),
        first_stretch=0, stretches=-(-steps[-1] // layout.stretch), steps=steps,
    )  # fmt: skip
    return found


def anti_aligned(W: Real) -> Real:
    """How many students have a negative overlap with the teacher that they are nearest to."""
    K = W.shape[-2]
    R = W[..., :K]
    nearest = np.argmax(np.abs(R), axis=-1)[..., None]
    return np.asarray(np.sum(np.take_along_axis(R, nearest, axis=-1)[..., 0] < 0.0, axis=-1))


def beside_a_minimum(record: Record) -> None:
    """(L - L0) / gamma by SGD, and by the second moments."""
    W, teacher = embed(Point.from_wire(family(8, 8, "one-anti-aligned").point)), make_teacher(8)
    lowest = float(population.loss(W, teacher))
    moments, slope = SecondMoment.at(W, teacher), loss_shift(W, teacher)
    print(f"\nK = M = 8, d = {DIMENSION}, first order {slope:.6f}\n")
    print("| gamma | second moments | SGD | runs that stayed |\n|---|---|---|---|")
    for gamma in LEARNING_RATES:
        found = simulated(W, gamma, DIMENSION, TIMES, RUNS)
        stayed = anti_aligned(found[:, -1]) == 1
        losses = np.asarray(population.loss(found[stayed], teacher))
        each = (losses.mean(axis=1) - lowest) / gamma
        mean, error = float(each.mean()), float(each.std(ddof=1)) / np.sqrt(len(each))
        record.add(f"SGD, gamma {gamma}", "loss per learning rate", mean)
        print(
            f"| {gamma} | {moments.rise(gamma) / gamma:.5f} | {mean:.5f} ± {error:.5f} | "
            f"{int(stayed.sum())} of {RUNS} |", flush=True,
        )  # fmt: skip


def growth(width: int, gamma: float) -> float:
    """Logarithm of what the mean loss beside the global minimum has done in the second half."""
    beside = np.hstack([np.eye(width), 1e-6 * np.eye(width)])
    times = np.array([STABLE_TIME / 2, STABLE_TIME])
    found = simulated(beside, gamma, STABLE_DIMENSION, times, STABLE_RUNS)
    # Squared distances from the minimum, whose loss is lost in its rounding.
    found[..., :width] -= np.eye(width)
    early, late = (np.sum(found**2, axis=(-2, -1))).mean(axis=0)
    return float(np.log(late / early))


def stability(record: Record) -> None:
    """The largest stable learning rate of the global minimum."""
    print(f"\nLargest stable learning rate, d = {STABLE_DIMENSION}\n")
    print("| K = M | closed form | SGD | ratio |\n|---|---|---|---|")
    for width in (2, 6, 8, 17):
        exact = critical_learning_rate(width)
        low, high = 0.7 * exact, 1.4 * exact
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if growth(width, middle) > 0.0 else (middle, high)
        found = (low + high) / 2.0
        record.add(f"critical learning rate, width {width}", "gamma", found)
        print(
            f"| {width} | {exact:.6f} | {found:.3f} ± {(high - low) / 2:.3f} | "
            f"{found / exact:.3f} |", flush=True,
        )  # fmt: skip


def main() -> None:
    record = Record("sgd")
    stability(record)
    beside_a_minimum(record)
    record.write()


if __name__ == "__main__":
    main()
