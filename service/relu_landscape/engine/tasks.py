"""How a long computation is cut up: tasks, the runner that executes them, and a monitor.

A composition never loops over heavy work itself. It hands tasks to an injected ``Runner`` and gets
their answers back in any order. A runner may execute them here, in a pool of processes or on
another machine, and may remember answers under the task's key: a composition is a deterministic
function of the answers, so a job that died resumes by being composed again.

Tasks and answers are frozen dataclasses of JSON types, tuples, arrays and other such dataclasses.
How they are written as bytes is the pool's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from relu_landscape.engine.model.arrays import Backend
    from relu_landscape.wire.base import Wire
    from relu_landscape.wire.requests import AnalysisRequest

ProblemT = TypeVar("ProblemT")
ComposedT = TypeVar("ComposedT", contravariant=True)
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, kw_only=True)
class Task(ABC, Generic[ProblemT, AnswerT]):
    """One independent piece of work, about a second long.

    ``kind`` names the class within its composition, ``answer`` is the class of what ``run``
    returns. ``key`` is unique within a job and depends on nothing but the job's request and the
    way it was cut up. ``starts`` counts the random starts that are done with this task.

    ``beside``: of tasks that may be done while another phase is, the phase that they belong to.
    More tasks wait for their answers, so a runner has them done before others.
    """

    kind: ClassVar[str]
    answer: ClassVar[type[Any]]
    beside: ClassVar[str] = ""

    key: str

    @property
    def starts(self) -> int:
        """Random starts that count as done when this task is."""
        return 0

    @property
    def memo(self) -> str | None:
        """What of the problem the answer depends on, where that is not all of it.

        The same task with the same text then has this answer in every job, and is spared where
        another one had it. ``""``: the task says everything, ``run`` never looks at the problem.
        None: each job computes its own.
        """
        return None

    @abstractmethod
    def run(self, problem: ProblemT, backend: Backend) -> AnswerT:
        """Do the work. The answer depends on the problem, this task and the backend alone."""


@dataclass(frozen=True)
class Ended:
    """How another analysis ended: the bytes of its result as they are stored, or why there is none.

    ``id``: its content id.
    """

    id: str
    result: bytes | None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Question(Task[ProblemT, AnswerT]):
    """A task that another analysis answers, as if somebody had asked for that.

    No worker computes it: whoever runs the composition asks, waits, and has the answer made of what
    came of it.
    """

    @abstractmethod
    def request(self, problem: ProblemT) -> AnalysisRequest:
        """What is asked. Raises ``InputError`` where that makes no sense."""

    @abstractmethod
    def answered(self, problem: ProblemT, ended: Ended) -> AnswerT:
        """The answer, from how the other analysis ended."""

    def run(self, problem: ProblemT, backend: Backend) -> AnswerT:  # noqa: ARG002
        """Never: it is asked, not computed."""
        raise TypeError(f"{self.key} is asked of another analysis, not computed by a worker.")


class Runner(Protocol):
    """Executes tasks; yields each with its answer, in any order.

    The sequence may grow meanwhile, between one answer and the next; who looks at it once, and ends
    without what came later, is called again for that.

    One that follows paths faster than arrays on one core says how much in its attribute ``pace``.
    """

    def __call__(
        self, tasks: Sequence[Task[ProblemT, AnswerT]]
    ) -> Iterator[tuple[Task[ProblemT, AnswerT], AnswerT]]: ...


def pace_of(run: Runner) -> int:
    """How many times as large the tasks for this runner should be as for arrays on one core."""
    return int(getattr(run, "pace", 1))


class Monitor(Protocol):
    """Progress and cancellation, injected; the default does nothing."""

    def phase(self, name: str, tasks: int) -> None:
        """A phase (one of the composition's ``phases``) of so many tasks begins."""

    def advance(self, task: Task[Any, Any]) -> None:
        """One task of the current phase is done."""

    def findings(self, points: Sequence[Wire]) -> None:
        """Provisional findings so far, each of the analysis's own model."""

    def check(self) -> None:
        """Raise ``Cancelled`` if the computation should stop."""


class SilentMonitor:
    """Says nothing, never cancels."""

    def phase(self, name: str, tasks: int) -> None: ...

    def advance(self, task: Task[Any, Any]) -> None: ...

    def findings(self, points: Sequence[Wire]) -> None: ...

    def check(self) -> None: ...


@dataclass(frozen=True)
class Composed:
    """What a composition returns: the result without its identity and provenance, and its parts.

    ``parts``: what is too long for the overview, by key (a fixed point's weights, for example).
    """

    result: Wire
    parts: Mapping[str, Wire]


class Compose(Protocol[ComposedT]):
    """A composition's one function."""

    def __call__(
        self, problem: ComposedT, *, run: Runner, monitor: Monitor, chunk_starts: int | None
    ) -> Composed: ...


@dataclass(frozen=True)
class Expected:
    """What a computation will take, about, before it has begun.

    ``seconds`` of one core by phase, in the order of the phases, on the machine that the model was
    fitted on; ``stored_bytes``: what it takes in a store at its largest.
    """

    seconds: Mapping[str, float]
    stored_bytes: float


class Condenser(Protocol):
    """Makes answers shorter for a store: what one has in common with others is stored once.

    For one computation, by one thread. What ``restore`` was given before is what ``condense`` may
    leave out, so an answer is stored before it is restored.
    """

    def condense(self, task: Task[Any, Any], answer: Any) -> Any:
        """What is stored of an answer; the answer itself where nothing is left out."""

    def restore(self, task: Task[Any, Any], answer: Any) -> Any | None:
        """The answer that composes the same result as before; None where that takes one that is
        gone."""


@dataclass(frozen=True)
class Composition(Generic[ProblemT]):
    """How one kind of analysis is computed.

    ``problem`` turns a request into the engine's own terms, and raises ``InputError`` where it
    makes no sense; ``tasks`` are the classes of its tasks; ``compose`` cuts the work into tasks and
    joins their answers; ``expected`` says what that will take, where there is a model of it;
    ``condenser`` makes what shortens answers for a store, where that gains anything.
    """

    request: type[AnalysisRequest]
    problem: Callable[[Any], ProblemT]
    tasks: tuple[type[Task[ProblemT, Any]], ...]
    compose: Compose[ProblemT]
    expected: Callable[[ProblemT], Expected] | None = None
    condenser: Callable[[ProblemT], Condenser] | None = None

    def task_type(self, kind: str) -> type[Task[ProblemT, Any]]:
        """The class of this kind's tasks. Raises ``ValueError`` where there is none."""
        for each in self.tasks:
            if each.kind == kind:
                return each
        raise ValueError(f"There is no task of kind {kind!r}.")


@dataclass(frozen=True)
class Cost:
    """What a short call will take, about: ``seconds`` on one core.

    ``field`` of the query is what makes it long, ``instead`` says what to ask for instead.
    """

    seconds: float
    field: str
    instead: str


def run_here(problem: ProblemT, backend: Backend) -> Runner:
    """A runner that executes every task in this process, in order."""

    def run(
        tasks: Sequence[Task[Any, AnswerT]],
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        for task in tasks:
            yield task, task.run(problem, backend)

    return run
