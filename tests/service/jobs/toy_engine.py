"""An engine that computes nothing hard, deterministically, and misbehaves on request.

Requests are ordinary ones; what the toy does with them is told by fields that it does not need:
``init_scale`` is the seconds that a chunk takes (0.001 to 1000, so 1.0 stands for none), and
``structures`` may hold one word that names a misbehaviour (``poison``, ``raise``, ``refuse``,
``crash-solve``, ``hang-solve``, ``invalid``, ``impossible``).
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from relu_landscape.engine.tasks import Monitor, Runner, Task
from relu_landscape.errors import InputError, NumericalError

CHUNK = 10
#: Set in a test to have ``hang-solve`` return.
released = threading.Event()


def solve(
    request: Mapping[str, Any], *, run: Runner, monitor: Monitor, chunk_starts: int | None
) -> dict[str, Any]:
    """Two phases: every start's number is hashed in chunks, then each residue class is judged."""
    misbehave(request, "solve")
    size = chunk_starts or CHUNK
    starts = request["starts"]
    tasks = [
        Task("sample", f"sample:{first}", {"first": first, "last": min(first + size, starts)},
             min(size, starts - first))
        for first in range(0, starts, size)
    ]  # fmt: skip
    monitor.phase("sample", len(tasks))
    ends: dict[int, float] = {}
    for task, answer in run(tasks):
        ends.update(zip(answer["numbers"], answer["losses"], strict=True))
        monitor.advance(task)
        monitor.findings([{"key": "m1", "kind": "minimum", "loss": 0.0, "hits": len(ends)}])
    losses = [ends[number] for number in range(starts)]
    classes = [Task("classify", f"classify:{k}", {"losses": losses[k::3]}) for k in range(3)]
    monitor.phase("classify", len(classes))
    sums = [0.0, 0.0, 0.0]
    for task, answer in run(classes):
        sums[int(task.key[-1])] = answer["sum"]
        monitor.advance(task)
    return _result(request, losses, sums)


def run_task(request: Mapping[str, Any], task: Task, *, backend: str) -> dict[str, Any]:
    """The chunk's answer, with NumPy arrays as a real engine has them."""
    misbehave(request, task.key)
    trace = os.environ.get("TOY_TRACE")
    if trace:
        with Path(trace).open("a", encoding="utf-8") as file:
            file.write(f"{request['seed']} {task.key}\n")
    if request["init_scale"] != 1.0:
        time.sleep(request["init_scale"])
    return compute(request, task)


def compute(request: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The answer alone: no sleep, no trace, no misbehaviour."""
    if task.kind == "classify":
        return {"sum": np.float64(sum(task.arguments["losses"]))}
    numbers = np.arange(task.arguments["first"], task.arguments["last"])
    return {"numbers": numbers, "losses": np.array([loss(request["seed"], n) for n in numbers])}


def check(request: Mapping[str, Any]) -> None:
    """Refuse one structure at once, as the engine refuses an impossible one."""
    if "impossible" in (request["structures"] or []):
        raise InputError("structures: 'impossible' is not possible.")


def loss(seed: int, number: int) -> float:
    """A number in [0, 1) that depends on seed and start alone."""
    word = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(word[:7]) / 2**56


def misbehave(request: Mapping[str, Any], where: str) -> None:
    """Do what the request's one structure says, in the right place."""
    what = (request["structures"] or ["nothing"])[0]
    if what == "poison" and where == "sample:0":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "raise" and where == "sample:0":
        raise ZeroDivisionError("the toy divides by zero")
    if what == "refuse" and where == "sample:0":
        raise NumericalError("the toy refuses this chunk.")
    if what == "crash-solve" and where == "solve":
        raise ValueError("the toy cannot compose")
    if what == "hang-solve" and where == "solve":
        released.wait(60)


def add(a: float, b: float) -> dict[str, Any]:
    return {"sum": np.float64(a + b)}


def refuse() -> dict[str, Any]:
    raise NumericalError("the toy refuses.")


def slow(seconds: float) -> dict[str, Any]:
    time.sleep(seconds)
    return {}


CALLS = {"add": add, "refuse": refuse, "slow": slow}


def _result(request: Mapping[str, Any], losses: list[float], sums: list[float]) -> dict[str, Any]:
    starts = len(losses)
    point = {
        "key": "m1", "kind": "minimum", "loss": sum(losses), "is_global": True,
        "found_by": ["sampled"],
        "structure": {
            "name": "1", "blocks": [1], "students": [], "extra_students": 0, "isotropy": "S1",
            "orbit_size": 2**60, "anti_aligned": 0,
        },
        "overlaps": {"R": [sums], "Q": [[1.0]]},
        "norms": np.array(sums),
        "stability": {
            "attractive": True, "index": 0, "nullity": 0, "min_eigenvalue": 0.1,
            "min_eigenvalue_perpendicular": None, "eigenvalue_tolerance": 1e-9,
            "gradient_norm": 0.0,
            "spectrum": [{"eigenvalue": 0.1, "multiplicity": 1, "space": "plane"}],
            "slowest_time": 10.0,
        },
        "attraction": {"hits": starts, "probability": 1.0, "interval_95": (0.9, 1.0)},
    }  # fmt: skip
    landscape = {
        "starts": {
            "asked": starts, "converged": starts, "failed": 0, "left_saddles": 0, "outcomes": {},
        },
        "unseen_mass": {"estimate": 0.0, "upper_bound_95": 0.1},
        "searched": {"structures": []},
        "fixed_points": [point],
        "transitions": [],
    }  # fmt: skip
    if (request["structures"] or [""])[0] == "invalid":
        del landscape["starts"]
    return {"landscape": landscape, "details": {"m1": {"weights": np.array([losses])}}}
