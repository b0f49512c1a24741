"""Numerics of the landscape. The names here are all that other rooms may use.

What is heavy (SciPy, igraph, Arb) is imported when it is first used: a server that has nothing to
compute starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from relu_landscape.engine.tasks import (
    Composed,
    Composition,
    Monitor,
    Runner,
    SilentMonitor,
    Task,
    run_here,
)

if TYPE_CHECKING:
    from relu_landscape.engine.certificates import verify
    from relu_landscape.engine.model.arrays import Backend, backend_named

__all__ = [
    "Backend",
    "Composed",
    "Composition",
    "Monitor",
    "Runner",
    "SilentMonitor",
    "Task",
    "backend_named",
    "run_here",
    "verify",
]

_HOME = {
    "Backend": "relu_landscape.engine.model.arrays",
    "backend_named": "relu_landscape.engine.model.arrays",
    "verify": "relu_landscape.engine.certificates",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
