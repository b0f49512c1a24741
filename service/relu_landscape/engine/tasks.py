"""How a long computation is cut up: tasks, the runner that executes them, and a monitor.

``solve`` never loops over heavy work itself. It hands ``Task`` values to an injected ``Runner``
and gets JSON-like answers back in any order. A runner may execute them here, in a pool of
processes or on another machine, and may remember answers under the task's key: ``solve`` is a
deterministic function of the answers, so a job that died resumes by being called again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Task:
    """One independent piece of work, about a second long.

    ``key`` is unique within a job and depends on nothing but the job's request and the way it was
    cut up; ``arguments`` are JSON types only; ``starts`` counts the random starts it covers.
    """

    kind: str
    key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    starts: int = 0


class Runner(Protocol):
    """Executes tasks; yields each with its JSON-like answer, in any order."""

    def __call__(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Mapping[str, Any]]]: ...


class Monitor(Protocol):
    """Progress and cancellation, injected; the default does nothing."""

    def phase(self, name: str, tasks: int) -> None:
        """A phase (``sample``, ``classify``, ...) of so many tasks begins."""

    def advance(self, task: Task) -> None:
        """One task of the current phase is done."""

    def findings(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Partial findings so far: ``{key, kind, loss, hits}`` each, provisional."""

    def check(self) -> None:
        """Raise ``Cancelled`` if the computation should stop."""


class SilentMonitor:
    """Says nothing, never cancels."""

    def phase(self, name: str, tasks: int) -> None: ...

    def advance(self, task: Task) -> None: ...

    def findings(self, points: Sequence[Mapping[str, Any]]) -> None: ...

    def check(self) -> None: ...
