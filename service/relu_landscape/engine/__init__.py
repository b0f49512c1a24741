"""Numerics of the landscape. The names here are all that other rooms may use.

What is heavy (SciPy, igraph, Arb) is imported when it is first used: a server that has nothing to
compute starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from relu_landscape.engine.tasks import Monitor, Runner, SilentMonitor, Task

if TYPE_CHECKING:
    from relu_landscape.engine.certificates import verify
    from relu_landscape.engine.families.answers import CALLS
    from relu_landscape.engine.landscape.solve import check, run_here, run_task, solve

__all__ = [
    "CALLS",
    "Monitor",
    "Runner",
    "SilentMonitor",
    "Task",
    "check",
    "run_here",
    "run_task",
    "solve",
    "verify",
]

_HOME = {
    "CALLS": "relu_landscape.engine.families.answers",
    "verify": "relu_landscape.engine.certificates",
    "check": "relu_landscape.engine.landscape.solve",
    "run_here": "relu_landscape.engine.landscape.solve",
    "run_task": "relu_landscape.engine.landscape.solve",
    "solve": "relu_landscape.engine.landscape.solve",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
