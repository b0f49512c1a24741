"""Networks trained on finite samples by plain gradient descent, located.

    python -m benchmarks.finite_samples            # n = 2,000 and 50,000: some minutes
    python -m benchmarks.finite_samples --short    # n = 10,000 in d = 20: some seconds

Eight students learn eight orthonormal teachers in d dimensions from n inputs with exact labels.
Where training ends is a minimum of the sample's loss; where that stands in the landscape of the
population, and whether it is as far from its minimum as n predicts, ``locate`` says.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.located import Points
from relu_landscape.wire.points import PointsRequest

Real = NDArray[np.float64]
WIDTH = 8


def trained(n: int, d: int, *, seed: int, steps: int, rate: float = 0.1) -> tuple[Real, Real]:
    """Weights (8, d) after so many steps of gradient descent on n inputs, and the gradient."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((WIDTH, d)) / np.sqrt(d)
    X = np.random.default_rng(n).standard_normal((n, d))
    target = np.maximum(X[:, :WIDTH], 0.0).sum(axis=1)
    gradient = np.zeros_like(W)
    for _ in range(steps):
        active = X @ W.T
        error = np.maximum(active, 0.0).sum(axis=1) - target
        gradient = ((active > 0.0) * error[:, None]).T @ X / n
        W -= rate * gradient
    return W, gradient


def located(W: Real, n: int) -> Points:
    """Where a network stands that was trained on n inputs; the teacher is the first axes."""
    arrays = {"weights": W, "teacher": np.eye(WIDTH, W.shape[1])}
    request = PointsRequest.of_arrays(arrays, {"sample_size": n, "nearest": 0, "widening": False})
    return Points.model_validate(solve_locally(PointsRequest.model_validate(request)).result)


def line(seed: int, n: int, d: int, steps: int) -> tuple[str, float | None]:
    """A row of the table, and the distance in units of what n predicts."""
    W, gradient = trained(n, d, seed=seed, steps=steps)
    found = located(W, n)
    (point,) = found.points
    end = next(each for each in found.fixed_points if each.key == point.end)
    error = end.statistical_error
    predicted = error.distance if error is not None else float("nan")
    ratio = point.distance_in_errors
    return (
        f"{seed:4d} {n:7,d} {d:3d}  {np.linalg.norm(gradient):8.1e}  {end.structure.name:9s} "
        f"{end.loss:10.8f}  {point.distance:8.5f}  {predicted:9.5f}  "
        f"{'' if ratio is None else f'{ratio:.3f}':>9s}",
        ratio,
    )


HEADING = "seed       n   d  gradient  end             loss  distance  predicted  in errors"
SHORT = (15, 10_000, 20, 5_000)
LONG = ((43, 2_000, 50, 8_000), (29, 50_000, 50, 2_500), SHORT)


def main() -> None:
    """Train, locate, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="one case of some seconds alone")
    print(HEADING)
    for seed, n, d, steps in (SHORT,) if parser.parse_args().short else LONG:
        print(line(seed, n, d, steps)[0], flush=True)


if __name__ == "__main__":
    main()
