"""Numerics of the landscape. The names here are all that other rooms may use."""

from relu_landscape.engine.calls import CALLS
from relu_landscape.engine.certificates import verify
from relu_landscape.engine.landscape import run_here, run_task, solve
from relu_landscape.engine.tasks import Monitor, Runner, SilentMonitor, Task

__all__ = [
    "CALLS",
    "Monitor",
    "Runner",
    "SilentMonitor",
    "Task",
    "run_here",
    "run_task",
    "solve",
    "verify",
]
