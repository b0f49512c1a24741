"""One-pass SGD: steps a second of the exact chain, seconds of the differential equations; in C and
with arrays.

    python -m benchmarks.dynamics > table.md     (from the repository root)

Prints a table in Markdown and keeps the figures in benchmarks/runs. One core: CPU seconds of this
process, with one thread per BLAS call (OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks._record import Record
from relu_landscape.engine.descent import starts
from relu_landscape.engine.dynamics.chain import Chain, Layout, Runs
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State, longest
from relu_landscape.engine.lanes.native import Kernel, load
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.compiled import noise

RUNS = 64
LEARNING_RATE = 0.1
UNTIL = 200.0
#: Steps of the plain simulation; it takes some ms each in d = 10,000.
PLAIN_STEPS = 20
#: Values of Sigma that are timed together.
CALLS = 5


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def repeated(work: Callable[[], Any]) -> None:
    for _ in range(CALLS):
        work()


def start(width: int, dimension: int) -> Any:
    return starts.draw(
        [0], seed=0, students=width, teacher=make_teacher(width), dimension=dimension
    )[0]


def chain_rate(width: int, dimension: int, kernel: Kernel | None) -> float:
    """Steps a second of ``RUNS`` runs side by side, by the kernel or by arrays."""
    teacher, W = make_teacher(width), start(width, dimension)
    layout = Layout.of(width, width, dimension, 1)
    runs = Runs(
        tuple(range(RUNS)), np.repeat(W[None], RUNS, axis=0),
        np.full(RUNS, longest(W, teacher)), np.full(RUNS, -1),
    )  # fmt: skip
    chain = Chain(teacher, layout, Noise(LEARNING_RATE), seed=0, kernel=kernel)
    stretches = 8 if kernel is None else 32
    seconds = cpu_seconds(lambda: chain.run(runs, first_stretch=0, stretches=stretches, steps=[]))
    return RUNS * stretches * layout.stretch / seconds


def plain_rate(width: int, dimension: int) -> float:
    """The same by NumPy on vectors of length d."""
    rng = np.random.default_rng(0)
    W = np.zeros((RUNS, width, dimension))
    W[..., :width] = np.eye(width)

    def steps() -> None:
        for _ in range(PLAIN_STEPS):
            x = rng.standard_normal((RUNS, dimension))
            fields = np.matmul(W, x[..., None])[..., 0]
            error = np.maximum(fields, 0.0).sum(1) - np.maximum(x[:, :width], 0.0).sum(1)
            delta = LEARNING_RATE / dimension * error[:, None] * (fields > 0.0)
            np.subtract(W, delta[..., None] * x[:, None], out=W)

    return RUNS * PLAIN_STEPS / cpu_seconds(steps)


def equations(width: int, kernel: Kernel | None) -> tuple[float, int]:
    """CPU seconds and steps of the differential equations to ``UNTIL``, K = M = ``width``."""
    teacher, W = make_teacher(width), start(width, 1000)
    rate = LEARNING_RATE * 8 / width
    integrator = Integrator(teacher, Noise(rate), tolerance=1e-3, kernel=kernel)
    found: list[int] = []

    def follow() -> None:
        stretch = integrator.run(State.of(W, teacher), [UNTIL], steps=10**6)
        found.append(stretch.state.steps)

    return cpu_seconds(follow), found[0]


def main() -> None:
    record = Record("dynamics")
    kernel = load()
    print("| K = M | d | chain in C, steps/s | with arrays, steps/s | plain NumPy, steps/s |")
    print("|---|---|---|---|---|")
    for width, dimension in ((8, 100), (8, 1000), (8, 10_000), (8, 10**6), (17, 1000)):
        native, rate = (chain_rate(width, dimension, each) for each in (kernel, None))
        plain = plain_rate(width, dimension) if dimension <= 10_000 else float("nan")
        record.add(f"chain in C, width {width}, d = {dimension}", "1/s", native)
        record.add(f"chain, width {width}, d = {dimension}", "1/s", rate)
        print(
            f"| {width} | {dimension:,} | {native:,.0f} | {rate:,.0f} | {plain:,.0f} |", flush=True
        )
    print(
        "\n| K = M | steps | one Sigma in C, ms | with arrays, ms | equations to 200 in C, CPU s "
        "| with arrays, CPU s |\n|---|---|---|---|---|---|"
    )
    for width in (2, 8, 17):
        teacher, W = make_teacher(width), start(width, 1000)
        figures = []
        for name, each in (("in C", kernel), ("with arrays", None)):
            once = partial(noise, W, teacher, kernel=each)
            once()
            ms = 1e3 * cpu_seconds(partial(repeated, once)) / CALLS
            seconds, steps = equations(width, each)
            record.add(f"Sigma {name}, width {width}", "ms", ms)
            record.add(f"equations {name}, width {width}", "CPU s", seconds)
            figures.append((ms, seconds, steps))
        (fast, quick, steps), (slow, long, _) = figures
        print(f"| {width} | {steps} | {fast:.3f} | {slow:.1f} | {quick:.2f} | {long:.2f} |")
    record.write()


if __name__ == "__main__":
    main()
