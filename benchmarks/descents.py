"""Descents by other rules than gradient flow: shares of their ends beside the published ones.

    python -m benchmarks.descents > table.md    (from the repository root; one core, 15 minutes)
    python -m benchmarks.descents normalised-17    (one of the tables)

Prints tables in Markdown and keeps the figures in benchmarks/runs. Intervals are Wilson's, at 95%.
Published shares: Huang, Loureiro and Sarao Mannelli, arXiv:2604.09412, 10,000 starts.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Literal

import numpy as np

from benchmarks._record import Record
from relu_landscape.engine.descents import COMPOSITION
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.rules import Plain
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import SilentMonitor, run_here
from relu_landscape.wire.descents import DescentsBody, DescentsRequest
from relu_landscape.wire.landscape import Attraction

TEACHERS, DIMENSION = 17, 1000
Rule = Literal["gradient_flow", "gradient_descent", "normalised", "orthonormalised", "two_layer"]

#: Name: rule, student width, starts, published percent at zero loss.
SHARES: dict[str, tuple[Rule, int, int, float | None]] = {
    "normalised-17": ("normalised", 17, 400, 14.12),
    "orthonormalised-17": ("orthonormalised", 17, 400, None),
    "gradient_descent-17": ("gradient_descent", 17, 400, 13.25),
    "gradient_descent-18": ("gradient_descent", 18, 200, 64.18),
    "gradient_descent-19": ("gradient_descent", 19, 200, 77.50),
    "two_layer-17": ("two_layer", 17, 400, 13.24),
    "two_layer-18": ("two_layer", 18, 200, 67.91),
    "two_layer-19": ("two_layer", 19, 200, 99.48),
}
#: What looks global at K = 18: the loss is below so much, at such a time.
BUDGET_STARTS, BUDGET_STUDENTS = 100, 18
BUDGET_LOSSES, BUDGET_TIMES = (1e-3, 1e-4, 1e-5, 1e-6), (100, 200, 400, 800, 1600)
BUDGET_STEP = 0.2
#: Ends that a smaller share of the starts comes to have no row.
FEW = 0.02
#: Starts of a table, for ``--starts``.
MOST = 400


def ends(rule: Rule, students: int, starts: int) -> tuple[DescentsBody, float]:
    """Ends of the descents, and processor seconds."""
    request = DescentsRequest(
        student_width=students, teacher_width=TEACHERS, rule=rule, starts=starts,
        input_dimension=DIMENSION,
    )  # fmt: skip
    problem = COMPOSITION.problem(request)
    before = time.process_time()
    found = COMPOSITION.compose(
        problem, run=run_here(problem, backend_named("numpy")), monitor=SilentMonitor(),
        chunk_starts=None,
    )  # fmt: skip
    assert isinstance(found.result, DescentsBody)
    return found.result, time.process_time() - before


def shares(record: Record, name: str, most: int) -> None:
    """Zero loss beside the published share, and every end that one start in fifty comes to."""
    rule, students, starts, published = SHARES[name]
    starts = min(starts, most)
    found, seconds = ends(rule, students, starts)
    record.add(name, "share at zero loss", found.zero_loss.probability)
    beside = "none" if published is None else f"{published}%"
    print(
        f"\n{rule}, K = {students}, M = {TEACHERS}, d = {DIMENSION}, {starts} starts: zero loss "
        f"{percent(found.zero_loss)}, published {beside}; {seconds:.0f} s\n\n"
        "| end | loss | turned students | share | smallest eigenvalue | gradient |\n"
        "|---|---|---|---|---|---|"
    )
    rare = 0
    for end in found.ends:
        if end.attraction.probability < FEW:
            rare += end.attraction.hits
            continue
        turned = smallest = slope = ""
        if end.structure is not None:
            turned = str(end.structure.anti_aligned)
        if end.curvature is not None:
            bent = [end.curvature.min_eigenvalue_span, end.curvature.min_eigenvalue_beside]
            smallest = f"{min(each for each in bent if each is not None):.2g}"
            slope = f"{end.curvature.gradient_norm:.0e}"
        print(
            f"| {end.key}, {end.kind} | {end.loss:.7f} | {turned} | {percent(end.attraction)} | "
            f"{smallest} | {slope} |"
        )
        record.add(name, f"share at loss {end.loss:.5f}", end.attraction.probability)
    print(f"\n{len(found.ends)} ends; {rare} starts end where fewer than 2% do.")
    for one in found.others:
        print(f"{one.attraction.hits} starts: {one.outcome}, loss {one.lowest_loss:.3g} to "
              f"{one.highest_loss:.3g}.")  # fmt: skip
    sys.stdout.flush()


def percent(attraction: Attraction) -> str:
    """A share with its interval."""
    low, high = attraction.interval_95
    return f"{100 * attraction.probability:.1f}% ({100 * low:.1f} to {100 * high:.1f})"


def budget(record: Record, most: int) -> None:
    """How many descents look global, by the time given and the loss asked for."""
    rule = Plain(Layers.plain(BUDGET_STUDENTS, TEACHERS))
    states = rule.draw(range(min(BUDGET_STARTS, most)), seed=0, dimension=DIMENSION, scale=1.0)
    print(
        f"\ngradient_descent, K = {BUDGET_STUDENTS}, M = {TEACHERS}, {len(states)} starts, step "
        f"{BUDGET_STEP}: percent whose loss is below\n\n| time | "
        + " | ".join(f"{each:.0e}" for each in BUDGET_LOSSES)
        + " |\n|---" * 1 + "|---" * len(BUDGET_LOSSES) + "|"
    )  # fmt: skip
    done = 0
    for until in BUDGET_TIMES:
        steps = round(until / BUDGET_STEP)
        for _ in range(done, steps):
            states = states - BUDGET_STEP * rule.slope(states)
        done = steps
        losses = rule.layers.loss(states)
        found = [100.0 * float(np.mean(losses < each)) for each in BUDGET_LOSSES]
        print(f"| {until} | " + " | ".join(f"{each:.0f}" for each in found) + " |", flush=True)
        for each, share in zip(BUDGET_LOSSES, found, strict=True):
            record.add(f"budget, time {until}", f"percent below {each:.0e}", share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SHARES, "budget", []])
    parser.add_argument("--starts", type=int, default=MOST, help="of each table, at most")
    asked = parser.parse_args()
    record = Record("descents")
    for name in asked.names or [*SHARES, "budget"]:
        if name == "budget":
            budget(record, asked.starts)
        else:
            shares(record, name, asked.starts)
    record.write()


if __name__ == "__main__":
    main()
