"""The same starts followed by what one would otherwise write, or take from a library.

    python -m benchmarks.peers [--seconds 20] [--cases 8,8,8 17,17,1000] [--python PYTHON]

(from the repository root) prints a table and keeps the figures in benchmarks/runs. Every method
runs in a process of its own on one thread, with ``--python``, the interpreter of an environment
that has PyTorch and JAX beside SciPy and Pydantic (methods whose library is absent are said to be;
docs/benchmarks-peers.md makes one). It takes the first starts of seed 0, as many as fill about
``--seconds``, to a gradient below 1e-8. "Other ends" are those that an accurate integrator reaches
elsewhere (``benchmarks.fidelity``). Memory is the most that the process had resident, libraries
included.

Gradient descent has the step 1/(1/2 + K/4), about half of what is stable at zero loss. It is given
200,000 steps; L-BFGS-B, which follows no path, 15,000 gradients.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from benchmarks._record import Record
from benchmarks.fidelity import SAME, Reference, problem_of
from relu_landscape.engine.landscape import sampling
from relu_landscape.engine.lanes.native import load
from relu_landscape.engine.model.arrays import backend_named

Real = NDArray[np.float64]
#: Ends (n, K, p) of starts (n, K, p), and the gradients that took.
Method = Callable[[Real], tuple[Real, int]]

ARRIVED = 1e-8
LONGEST = 200_000
#: Paths in one array: what is fastest with NumPy at K = 17.
TOGETHER = 256
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ONE_THREAD = THREADS | {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1",
}  # fmt: skip


def gradient(W: Any, M: int, xp: Any) -> Any:
    """The gradient (..., K, p) for an orthonormal teacher, as the textbook has it: A W - B V."""
    K = W.shape[-2]
    n = xp.sqrt(xp.sum(W * W, axis=-1))
    eye = xp.eye(K, dtype=W.dtype)
    c = xp.clip(W @ W.mT / (n[..., :, None] * n[..., None, :]), -1.0, 1.0) * (1.0 - eye)
    b = xp.clip(W[..., :M] / n[..., None], -1.0, 1.0)
    sines = xp.sqrt(1.0 - c * c) * (1.0 - eye)
    beside = xp.sqrt(1.0 - b * b)
    own = xp.sum(sines * n[..., None, :], axis=-1) - xp.sum(beside, axis=-1)
    A = (np.pi - xp.arccos(c)) * (1.0 - eye) + (np.pi + own / n)[..., None] * eye
    force = A @ W
    B = np.pi - xp.arccos(b)
    if W.shape[-1] > M:
        B = xp.concatenate([B, 0.0 * W[..., M:]], axis=-1)
    return (force - B) / (2.0 * np.pi)


def step_of(W: Real) -> float:
    return 1.0 / (0.5 + len(W[0]) / 4.0)


def descend(W: Any, M: int, xp: Any) -> tuple[Any, int]:
    """Gradient descent on a batch; those that arrived are taken out now and then."""
    ends: list[Any] = [None] * len(W)
    alive, count, step = np.arange(len(W)), 0, step_of(W)
    for number in range(LONGEST):
        slope = gradient(W, M, xp)
        count += len(alive)
        W = W - step * slope
        if number % 25 == 0:
            over = np.asarray(xp.sqrt(xp.sum(slope * slope, axis=(-2, -1)))) < ARRIVED
            for row in np.flatnonzero(over):
                ends[alive[row]] = np.asarray(W[int(row)])
            W, alive = W[~over], alive[~over]
        if not len(alive):
            break
    for place, left in enumerate(alive.tolist()):
        ends[left] = np.asarray(W[place])
    return np.stack(ends), count


def in_batches(W: Any, M: int, xp: Any, together: int) -> tuple[Real, int]:
    """``descend`` for ``together`` starts at a time."""
    found = [descend(W[row : row + together], M, xp) for row in range(0, len(W), together)]
    return np.concatenate([end for end, _ in found]), sum(count for _, count in found)


def one_by_one(W: Real, M: int) -> tuple[Real, int]:
    return in_batches(W, M, np, 1)


def batched(W: Real, M: int) -> tuple[Real, int]:
    return in_batches(W, M, np, TOGETHER)


def by_torch(W: Real, M: int) -> tuple[Real, int]:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    with torch.no_grad():
        return in_batches(torch.from_numpy(W), M, torch, TOGETHER)


def by_jax(W: Real, M: int) -> tuple[Real, int]:
    jax = importlib.import_module("jax")
    xp, step = jax.numpy, step_of(W)

    def goes_on(state: Any) -> Any:
        _, size, number = state
        return (size >= ARRIVED) & (number < LONGEST)

    def onward(state: Any) -> Any:
        here, _, number = state
        slope = gradient(here, M, xp)
        return here - step * slope, xp.sqrt(xp.sum(slope * slope)), number + 1

    def path(start: Any) -> Any:
        end, _, number = jax.lax.while_loop(goes_on, onward, (start, xp.inf, 0))
        return end, number

    follow = jax.jit(jax.vmap(path))
    ends, count = [], 0
    for row in range(0, len(W), TOGETHER):
        end, numbers = follow(W[row : row + TOGETHER])
        ends.append(np.asarray(end))
        count += int(numbers.sum())
    return np.concatenate(ends), count


def by_lbfgs(W: Real, M: int) -> tuple[Real, int]:
    ends, count = [], 0
    for start in W:

        def both(flat: Real, shape: tuple[int, ...] = start.shape) -> tuple[float, Real]:
            here = flat.reshape(shape)
            slope = gradient(here, M, np)
            return value(here, M), slope.ravel()

        found = minimize(both, start.ravel(), jac=True, method="L-BFGS-B",
                         options={"maxiter": 15_000, "gtol": ARRIVED, "ftol": 0.0})  # fmt: skip
        ends.append(found.x.reshape(start.shape))
        count += found.nfev
    return np.stack(ends), count


def value(W: Real, M: int) -> float:
    """The loss, from the gradient: it is homogeneous, so its student part is W . (A W) / 2."""
    n = np.linalg.norm(W, axis=-1)
    c = np.clip(W @ W.T / np.outer(n, n), -1.0, 1.0)
    b = np.clip(W[:, :M] / n[:, None], -1.0, 1.0)
    own = np.outer(n, n) * (np.sqrt(1.0 - c * c) + (np.pi - np.arccos(c)) * c)
    shared = n[:, None] * (np.sqrt(1.0 - b * b) + (np.pi - np.arccos(b)) * b)
    teacher = M / 4.0 + M * (M - 1) / (4.0 * np.pi)
    return float(np.sum(own) / (4.0 * np.pi) - np.sum(shared) / (2.0 * np.pi) + teacher)


def by_solve_ivp(W: Real, M: int) -> tuple[Real, int]:
    ends, count = [], 0
    for start in W:

        def force(_: float, flat: Real, shape: tuple[int, ...] = start.shape) -> Real:
            return np.asarray(-gradient(flat.reshape(shape), M, np)).ravel()

        def arrived(t: float, flat: Real, force: Any = force) -> float:
            return float(np.linalg.norm(force(t, flat)) - ARRIVED)

        arrived.terminal = True  # type: ignore[attr-defined]
        found = solve_ivp(force, (0.0, 20_000.0), start.ravel(), method="LSODA", rtol=1e-6,
                          atol=1e-9, events=arrived)  # fmt: skip
        ends.append(found.y[:, -1].reshape(start.shape))
        count += found.nfev
    return np.stack(ends), count


class Counting:
    """The native kernel, with a count of its gradients."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self.gradients = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)

    def flow(self, *args: Any, **options: Any) -> int:
        found = int(self._kernel.flow(*args, **options))
        self.gradients += found
        return found

    def polish(self, *args: Any, **options: Any) -> tuple[Real, Real, int]:
        W, norm, found = self._kernel.polish(*args, **options)
        self.gradients += found
        return W, norm, found


def by_engine(backend: str) -> Callable[[Real, int], tuple[Real, int]]:
    def run(W: Real, M: int) -> tuple[Real, int]:
        problem = problem_of({"student_width": W.shape[1], "teacher_width": M, "starts": len(W),
                              "input_dimension": W.shape[2]})  # fmt: skip
        here = backend_named(backend)
        kernel = here.kernel and Counting(here.kernel)
        descent = sampling.new_descent(problem, replace(here, kernel=kernel))
        found, _ = descent.run(descent.begin(list(range(len(W))), W))
        found.sort(key=lambda end: end.start)
        ends = np.zeros_like(W)
        ends[..., :M] = [end.W for end in found]
        return ends, kernel.gradients if kernel else 0

    return run


METHODS: dict[str, Callable[[Real, int], tuple[Real, int]]] = {
    "one start at a time, NumPy": one_by_one,
    "batched, NumPy": batched,
    "batched, PyTorch": by_torch,
    "jit and vmap, JAX": by_jax,
    "solve_ivp (LSODA), SciPy": by_solve_ivp,
    "L-BFGS-B, SciPy": by_lbfgs,
    "this engine, NumPy": by_engine("numpy"),
    "this engine, native": by_engine(f"native-{load().info.version}"),
}  # fmt: skip
NEEDS = {"batched, PyTorch": "torch", "jit and vmap, JAX": "jax"}


def measure(method: str, starts: Path, M: int, seconds: float) -> dict[str, float]:
    """What one method does in this process."""
    kept = np.load(starts)
    W, theirs = kept["W"], kept["ends"]
    run = METHODS[method]
    run(W[:2], M)  # libraries loaded, compilers warm
    count, spent = 2, 0.0
    while True:
        began = time.process_time()
        ends, evaluations = run(W[:count], M)
        spent = time.process_time() - began
        if spent > seconds / 3.0 or count == len(W):
            break
        count = min(len(W), max(2 * count, int(count * seconds / max(spent, 1e-3) / 1.5)))
    other = int(np.sum(np.abs(ends - theirs[:count]).max(axis=(-2, -1)) > SAME))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return {"starts": count, "rate": count / spent, "evaluations": evaluations / count,
            "other": other, "memory": peak}  # fmt: skip


def print_case(case: str, asked: argparse.Namespace, record: Record) -> None:
    """The lines of one case."""
    K, M, d = (int(word) for word in case.split(","))
    problem = problem_of({"student_width": K, "teacher_width": M, "input_dimension": d,
                          "starts": asked.starts})  # fmt: skip
    W = sampling.draw_starts(problem, list(range(asked.starts)))
    ends = Reference.follow(problem, W).ends
    with tempfile.TemporaryDirectory() as folder:
        starts = Path(folder) / "starts.npz"
        np.savez(starts, W=W, ends=ends)
        for method in METHODS:
            found = apart(method, starts, M, asked)
            if found is None:
                print(f"| {K}, {M}, d = {d} | {method} | not installed | | | | |")
                continue
            for name, unit in (("rate", "starts/s"), ("evaluations", "count"), ("other", "count")):
                record.add(f"{case}: {method}: {name}", unit, found[name])
            gradients = f"{found['evaluations']:.0f}" if found["evaluations"] else "as below"
            print(
                f"| {K}, {M}, d = {d} | {method} | {found['starts']} | {found['rate']:.3g} "
                f"| {gradients} | {100 * found['other'] / found['starts']:.1f} "
                f"| {found['memory']:.0f} |",
                flush=True,
            )


def apart(method: str, starts: Path, M: int, asked: argparse.Namespace) -> dict[str, float] | None:
    """What one method does in a process of its own; None where its library is absent."""
    needed = NEEDS.get(method)
    if needed:
        there = subprocess.run([asked.python, "-c", f"import {needed}"],
                               capture_output=True, check=False)  # fmt: skip
        if there.returncode:
            return None
    answer = subprocess.run(
        [asked.python, "-m", "benchmarks.peers", "--method", method, "--input", str(starts),
         "--width", str(M), "--seconds", str(asked.seconds)],
        capture_output=True, text=True, check=True, env=os.environ | ONE_THREAD,
    )  # fmt: skip
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print the table and keep the figures; with ``--method``, be one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--starts", type=int, default=2000, help="at most so many")
    parser.add_argument("--cases", nargs="*", default=["8,8,8", "17,17,1000"])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--method", help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--width", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.method:
        print(json.dumps(measure(asked.method, asked.input, asked.width, asked.seconds)))
        return
    record = Record("peers", {"seconds": asked.seconds, "cases": asked.cases})
    print("| K, M, d | method | starts | starts/s | gradients a start | other ends, % | MiB |")
    print("|---|---|---|---|---|---|---|")
    for case in asked.cases:
        print_case(case, asked, record)
    record.write()


if __name__ == "__main__":
    main()
