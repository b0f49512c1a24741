"""What a running job says about itself, and how it is told to stop."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from relu_landscape.engine.tasks import Task
from relu_landscape.errors import Cancelled
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import Progress

#: Progress and findings are published at most this often: every publication is a durable write.
PUBLISH_SECONDS = 0.25

#: What a model expects of whole jobs is within 1.5 for nine of ten, and phases vary more
#: (docs/benchmarks-expectation.md).
EXPECTED_WITHIN = 2.0
#: Seconds in which the result is put together and stored, after the last phase.
COMPOSED_WITHIN = 1.0

Reason = Literal["cancel", "close", "lost"]
Publish = Callable[[Literal["progress", "findings"], JsonObject], None]


class StopSign:
    """Set from any thread, looked at by the job's own.

    ``cancel``: a user asked, so chunks on the workers are waited for. ``close``: this process
    ends, so the job is given back. ``lost``: another process runs the job, so nothing more may
    be written; this one wins over the others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reason: Reason | None = None

    def set(self, reason: Reason) -> None:
        with self._lock:
            if self.reason is None or reason == "lost":
                self.reason = reason

    def check(self) -> None:
        """Raise ``Cancelled`` if the job should stop."""
        if self.reason is not None:
            raise Cancelled(f"The computation was told to stop ({self.reason}).")


class Clock:
    """Estimates the time left of a job from what its phases were expected to take.

    How fast this machine is, and how many cores work, shows in what was computed so far: seconds
    that passed over seconds that were expected for it. The current phase is judged by its own pace
    as soon as it has one. A phase that is worked at beside it shares its time, in the ratio of what
    both are expected to take, and has nothing left after it.
    """

    def __init__(self, expected: Mapping[str, float]) -> None:
        self._expected = dict(expected)
        self._later = list(self._expected)
        self._passed = self._foreseen = 0.0
        self._name, self._tasks, self._computed = "", 0, 0
        self._beside: set[str] = set()
        self._began = time.monotonic()

    def begin(self, name: str, tasks: int) -> None:
        """A phase begins; the one before it is over."""
        if self._computed or self._beside:
            self._passed += time.monotonic() - self._began
            self._foreseen += self._share() + self._shared()
        self._expected.update(dict.fromkeys(self._beside, 0.0))
        self._name, self._tasks, self._computed, self._beside = name, tasks, 0, set()
        if name in self._later:
            self._later = self._later[self._later.index(name) + 1 :]
        self._began = time.monotonic()

    def computed(self, beside: str = "") -> None:
        """One chunk was computed rather than found: it tells the pace.

        ``beside``: the phase that it belongs to, if that can be another one than this.
        """
        if beside in ("", self._name):
            self._computed += 1
        elif beside in self._expected:
            self._beside.add(beside)

    def left(self, tasks: int) -> JsonObject:
        """Seconds until the job's end with so many ``tasks`` of this phase to do, and the range in
        which they will be, as ``Progress`` has them; None: unknown.

        Of n chunks that vary by as much as they take, the mean is known to a part of ``1/sqrt n``;
        what is only expected of a phase, to ``EXPECTED_WITHIN``; no model has what comes after.
        """
        passed, foreseen, here = self._passed, self._foreseen, 0.0
        doubt = EXPECTED_WITHIN
        if self._computed:
            elapsed = time.monotonic() - self._began
            share, shared = self._share(), self._shared()
            own = share / (share + shared) if share else 1.0
            here = own * elapsed / self._computed * tasks
            passed, foreseen = passed + elapsed, foreseen + share + shared
            doubt = 1.0 + 1.0 / math.sqrt(self._computed)
        elif foreseen:
            here = passed / foreseen * self._expected.get(self._name, 0.0)
        else:
            return {"seconds_left": None, "seconds_left_range": None}
        pace = passed / foreseen if foreseen else 0.0
        names = (name for name in self._later if name not in self._beside)
        later = pace * sum(self._expected[name] for name in names)
        low = here / doubt + later / EXPECTED_WITHIN
        high = here * doubt + later * EXPECTED_WITHIN + COMPOSED_WITHIN
        return {
            "seconds_left": round(here + later, 3),
            "seconds_left_range": [round(low, 3), round(high, 3)],
        }

    def _share(self) -> float:
        """Of the seconds expected for this phase, those of what was computed."""
        return self._expected.get(self._name, 0.0) * self._computed / max(self._tasks, 1)

    def _shared(self) -> float:
        """Seconds expected for what is worked at beside this phase: it goes first."""
        return sum(self._expected[name] for name in self._beside)


class ProgressMonitor:
    """The engine's monitor: counts, estimates the time left, and publishes now and then."""

    def __init__(self, starts: int, stop: StopSign, publish: Publish) -> None:
        self._stop = stop
        self._publish = publish
        self._progress = Progress(starts=starts)
        self._clock = Clock({})
        self._published = 0.0
        self._findings: JsonObject | None = None

    def expect(self, seconds: Mapping[str, float]) -> None:
        """What the phases are expected to take, in their order, told before the first begins."""
        self._clock = Clock(seconds)

    def phase(self, name: str, tasks: int) -> None:
        """A phase of so many chunks begins."""
        self._clock.begin(name, tasks)
        self._progress = self._progress.model_copy(
            update={
                "phase": name,
                "tasks": tasks,
                "tasks_done": 0,
                "fraction": 0.0,
                **self._clock.left(tasks),
            }
        )
        self._speak(at_once=True)
        self.check()

    def computed(self, task: Task[Any, Any] | None = None) -> None:
        """One chunk was computed rather than found among the checkpoints: it tells the pace."""
        self._clock.computed(task.beside if task is not None else "")

    def advance(self, task: Task[Any, Any]) -> None:
        """One chunk of the current phase is done."""
        old = self._progress
        done = old.tasks_done + 1
        tasks = max(old.tasks, done)
        self._progress = old.model_copy(
            update={
                "tasks_done": done,
                "tasks": tasks,
                "starts_done": min(old.starts, old.starts_done + task.starts),
                "fraction": done / tasks,
                **self._clock.left(tasks - done),
            }
        )
        self._speak(at_once=done == tasks)
        self.check()

    def findings(self, points: Sequence[Wire]) -> None:
        """Provisional findings so far."""
        self._findings = {"findings": [point.model_dump(mode="json") for point in points]}
        self._speak()
        self.check()

    def check(self) -> None:
        """Raise ``Cancelled`` if the computation should stop."""
        self._stop.check()

    def _speak(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._published < PUBLISH_SECONDS:
            return
        self._published = now
        self._publish("progress", self._progress.model_dump())
        if self._findings is not None:
            findings, self._findings = self._findings, None
            self._publish("findings", findings)
