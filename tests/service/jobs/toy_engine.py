"""An engine that computes nothing hard, deterministically, and misbehaves on request.

Requests are ordinary ones; what the toy does with them is told by fields that it does not need:
``init_scale`` is the seconds that a chunk takes (0.001 to 1000, so 1.0 stands for none), and
``structures`` may hold one word that names a misbehaviour (``poison``, ``hungry``, ``raise``,
``refuse``, ``crash-solve``, ``hang-solve``, ``invalid``, ``impossible``).
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.analyses import LANDSCAPE, SWEEP, Registry, ShortCall
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Composed, Composition, Cost, Monitor, Runner, Task
from relu_landscape.errors import InputError, NumericalError, RequestError
from relu_landscape.jobs.testing import perfect_copy
from relu_landscape.wire.base import Wire
from relu_landscape.wire.landscape import FixedPointDetails, LandscapeBody, LandscapeFinding
from relu_landscape.wire.requests import LandscapeRequest

CHUNK = 10
#: Of address space that a hungry chunk takes and never touches.
HUNGER_BYTES = 2**32
#: Set in a test to have ``hang-solve`` return.
released = threading.Event()


@dataclass(frozen=True)
class Losses:
    """Answer of ``Sample``."""

    numbers: NDArray[np.int64]
    losses: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sample(Task[LandscapeRequest, Losses]):
    """Hash the numbers of some starts."""

    kind: ClassVar[str] = "sample"
    answer: ClassVar[type[Losses]] = Losses

    first: int
    last: int

    @property
    def starts(self) -> int:
        return self.last - self.first

    def run(self, problem: LandscapeRequest, backend: Backend) -> Losses:
        begin(problem, self.key)
        return self.compute(problem)

    def compute(self, problem: LandscapeRequest) -> Losses:
        """The answer alone: no sleep, no trace, no misbehaviour."""
        numbers = np.arange(self.first, self.last)
        return Losses(numbers, np.array([loss(problem.seed, int(n)) for n in numbers]))


@dataclass(frozen=True)
class Sum:
    """Answer of ``Judge``."""

    value: float


@dataclass(frozen=True, kw_only=True)
class Judge(Task[LandscapeRequest, Sum]):
    """Add losses."""

    kind: ClassVar[str] = "classify"
    answer: ClassVar[type[Sum]] = Sum

    place: int
    losses: NDArray[np.float64]

    @property
    def memo(self) -> str:
        """A sum depends on nothing of the request: jobs of one seed share it."""
        return ""

    def run(self, problem: LandscapeRequest, backend: Backend) -> Sum:
        begin(problem, self.key)
        return self.compute(problem)

    def compute(self, problem: LandscapeRequest) -> Sum:
        """The answer alone."""
        return Sum(float(sum(self.losses.tolist())))


def compose(
    problem: LandscapeRequest, *, run: Runner, monitor: Monitor, chunk_starts: int | None
) -> Composed:
    """Two phases: every start's number is hashed in chunks, then each residue class is judged."""
    misbehave(problem, "solve")
    size = chunk_starts or CHUNK
    starts = problem.starts
    tasks = [
        Sample(key=f"sample:{first}", first=first, last=min(first + size, starts))
        for first in range(0, starts, size)
    ]
    monitor.phase("sample", len(tasks))
    ends: dict[int, float] = {}
    for task, found in run(tasks):
        ends.update(zip(found.numbers.tolist(), found.losses.tolist(), strict=True))
        monitor.advance(task)
        monitor.findings([finding(len(ends))])
    losses = np.array([ends[number] for number in range(starts)])
    judges = [Judge(key=f"classify:{k}", place=k, losses=losses[k::3]) for k in range(3)]
    monitor.phase("classify", len(judges))
    sums = [0.0, 0.0, 0.0]
    for judge, answer in run(judges):
        assert isinstance(judge, Judge)
        sums[judge.place] = answer.value
        monitor.advance(judge)
    return _composed(problem, losses, sums)


def finding(hits: int) -> LandscapeFinding:
    """What the toy says while it computes."""
    return LandscapeFinding(key="p1", kind="unclassified", loss=0.0, hits=hits)


def problem(request: LandscapeRequest) -> LandscapeRequest:
    """Refuse one structure at once, as the engine refuses an impossible one."""
    if "impossible" in (request.structures or ()):
        raise InputError("structures: 'impossible' is not possible.")
    return request


def loss(seed: int, number: int) -> float:
    """A number in [0, 1) that depends on seed and start alone."""
    word = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(word[:7]) / 2**56


def begin(request: LandscapeRequest, key: str) -> None:
    """What every chunk does before it computes: misbehave, leave a trace, take its time."""
    misbehave(request, key)
    trace = os.environ.get("TOY_TRACE")
    if trace:
        with Path(trace).open("a", encoding="utf-8") as file:
            file.write(f"{request.seed} {key}\n")
    if request.init_scale != 1.0:
        time.sleep(request.init_scale)


def misbehave(request: LandscapeRequest, where: str) -> None:
    """Do what the request's one structure says, in the right place."""
    what = (request.structures or ("nothing",))[0]
    if what == "poison" and where == "sample:0":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hungry" and where == "sample:0":
        if request.init_scale != 1.0:
            time.sleep(request.init_scale)
        np.empty(HUNGER_BYTES, np.uint8)
    if what == "raise" and where == "sample:0":
        raise ZeroDivisionError("the toy divides by zero")
    if what == "refuse" and where == "sample:0":
        raise NumericalError("the toy refuses this chunk.")
    if what == "crash-solve" and where == "solve":
        raise ValueError("the toy cannot compose")
    if what == "hang-solve" and where == "solve":
        released.wait(60)


def _composed(
    request: LandscapeRequest, losses: NDArray[np.float64], sums: list[float]
) -> Composed:
    """A landscape of one point whose numbers depend on every chunk."""
    body = perfect_copy(request).result
    assert isinstance(body, LandscapeBody)
    point = body.fixed_points[0].model_copy(
        update={"loss": float(sum(losses.tolist())), "norms": sums}
    )
    body = body.model_copy(update={"fixed_points": [point]})
    if (request.structures or ("",))[0] == "invalid":
        body = body.model_copy(update={"starts": None})
    details = FixedPointDetails(
        weights=[losses.tolist()],
        teacher=[],
        eigenvalues_span=[],
        eigenvalues_perpendicular=[],
        perpendicular_copies=0,
    )
    return Composed(body, {"m1": details})


COMPOSITION = Composition(
    request=LandscapeRequest, problem=problem, tasks=(Sample, Judge), compose=compose
)


class Pair(Wire):
    """Two numbers to be added."""

    a: float
    b: float


class Total(Wire):
    """Their sum."""

    sum: float


class Nothing(Wire):
    """No question, or no answer."""


def add(query: Pair) -> Total:
    return Total(sum=query.a + query.b)


def refuse(query: Nothing) -> Nothing:
    raise NumericalError("the toy refuses.")


class Place(Wire):
    """A file to which the computing process writes its id; ``seconds``: what is said it takes."""

    path: str
    seconds: float = 0.0


class Pid(Wire):
    """Who computed."""

    pid: int


def variable(query: Place) -> Total:
    """A variable of the environment of the process that computes."""
    return Total(sum=float(os.environ[query.path]))


def who(query: Place) -> Pid:
    return Pid(pid=os.getpid())


def stuck(query: Place) -> Pid:
    """Never ends, and looks at nothing meanwhile."""
    Path(query.path).write_text(str(os.getpid()))
    while True:
        pass


def bounds(query: Place) -> Pid:
    raise RequestError("path", query.path, "a better one")


def broken(query: Place) -> Pid:
    raise ZeroDivisionError("the toy divides by zero")


def cost(query: Place) -> Cost:
    return Cost(query.seconds, "path", "ask for a shorter one")


def _call(name: str, query: type[Wire], result: type[Wire]) -> ShortCall:
    return ShortCall(
        name=name,
        path=f"/v1/toys/{name}",
        summary=name,
        description="A toy.",
        query=query,
        result=result,
        function=f"tests.service.jobs.toy_engine:{name}",
    )


#: Landscapes that the toy computes, and its short calls.
TOY = Registry(
    analyses=(replace(LANDSCAPE, composition="tests.service.jobs.toy_engine:COMPOSITION"),),
    calls=(
        _call("add", Pair, Total),
        _call("refuse", Nothing, Nothing),
    ),
)

#: The same, and sweeps over them.
SWEPT = replace(TOY, analyses=(*TOY.analyses, SWEEP))
