"""What is said about a job of any kind, and what every finished result carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.labels import Label
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape.wire.shortened import without

State = Literal["queued", "running", "cancelling", "cancelled", "failed", "finished"]
EventName = Literal["state", "progress", "findings"]

#: A job in one of these states changes only if the same request is submitted again.
TERMINAL: frozenset[str] = frozenset({"cancelled", "failed", "finished"})

RequestT = TypeVar("RequestT", bound=AnalysisRequest)
FindingT = TypeVar("FindingT", bound=Wire)
ItemT = TypeVar("ItemT", bound=Wire)


class Kernel(Wire):
    """The compiled code that followed the random starts."""

    name: str = Field(description="native")
    version: int = Field(description="part of every content id, as native-<version>")
    instructions: str = Field(description="avx512, avx2 or neon; the numbers do not depend on it")
    compiler: str = Field(description="what compiled it")


class Provenance(Wire):
    """Who computed a result, with what. Excluded from the canonical bytes and their digest."""

    version: str = Field(description="of relu-landscape")
    algorithm: str
    backend: str = Field(description="numpy or cupy")
    device: str
    kernel: Kernel | None = Field(
        None, description="what followed the random starts; null: the backend's arrays"
    )
    libraries: dict[str, str] = Field(description="versions by name")
    seconds: float = Field(description="wall-clock seconds from start to finish, all attempts")


class Sealed(Wire):
    """What every finished result carries beside its own body."""

    id: str = Field(description="content id of the request")
    request: SerializeAsAny[AnalysisRequest] = Field(
        description="the question with every default filled in"
    )
    provenance: Provenance
    digest: str = Field(description="SHA-256 of the canonical bytes of all but the provenance")


class Progress(Wire):
    """How far the current phase of a job is."""

    phase: str | None = Field(None, description="name of the current phase; null before the first")
    tasks_done: int = Field(0, description="chunks of this phase that are done")
    tasks: int = Field(0, description="chunks of this phase in all")
    starts_done: int = Field(0, description="random starts that have ended, all phases")
    starts: int = Field(0, description="random starts asked for")
    fraction: float = Field(0.0, description="share of this phase's chunks that are done, 0 to 1")
    seconds_left: float | None = Field(
        None,
        description="estimate for the rest of the job: this phase by its pace so far, later ones "
        "by what is expected of them where the kind has a model of that; null: not known",
    )
    seconds_left_range: list[float] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="between which it should be, as far as pace and model are known; null where "
        "seconds_left is",
    )


class Needs(Wire):
    """Who can compute a job: results of other algorithms and backends differ in their last bits."""

    algorithm: str = Field(description="version of the algorithm, as in service-info")
    backend_class: str = Field(description="as in service-info")


class JobStatus(Wire, Generic[RequestT, FindingT]):
    """One job as of now."""

    id: str = Field(description="SHA-256 of kind, canonical request, algorithm and backend class")
    kind: str = Field(description="kind of analysis, for example landscape")
    state: State
    request: RequestT = Field(description="the question with every default filled in")
    created_at: str = Field(description="ISO 8601, UTC")
    started_at: str | None = Field(description="start of the first attempt; ISO 8601, UTC")
    finished_at: str | None = Field(description="finished, failed or cancelled; ISO 8601, UTC")
    progress: Progress
    findings: list[FindingT] = Field(description="provisional, until the result is in")
    error: str | None = Field(description="why it failed, one sentence")
    waiting_before: int | None = Field(
        None,
        description="jobs that will be claimed before it, if no job ends and nobody asks for "
        "more: by the shares of whoever asked for them, not in the order of submission. A small "
        "job has places of its own, and counts those before it that are small; null: it does not "
        "wait",
    )
    attempts: int = Field(description="how often a process began or resumed it")
    needs: Needs = Field(
        description="a service of this algorithm and backend class computes it; without one on "
        "this store it waits"
    )
    holders: int = Field(
        1,
        description="how many want this job, until it is over: whoever asks without a name counts "
        "once, each sweep that has it in its table once. A cancel lets go of one, and stops the "
        "job when nobody is left",
    )
    left_out: list[str] = Field(
        default_factory=list,
        description="fields of the request that are null because they are too long: here, or in "
        "a list; reduced.numbers is a member of one. The result has the whole request",
    )

    pinned: bool = Field(
        False,
        description="whether somebody wants its result kept: it is not forgotten for its age, nor "
        "to make room",
    )
    tags: list[str] = Field(
        default_factory=list, description="those that whoever looks has given the job, sorted"
    )
    note: str | None = Field(None, description="what whoever looks has noted of it")
    labels: list[Label] = Field(
        default_factory=list,
        description="everybody's tags and notes, for a key with the scope admin; else empty",
    )
    # All that the store has: shown to nobody before ``seen_by`` has said what is theirs.
    _labels: Mapping[str, Label] = PrivateAttr(default_factory=dict)

    @field_validator("request", mode="wrap")
    @classmethod
    def _as_it_is(cls, given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        """A request that is a model already was judged when it was made: whole."""
        return given if isinstance(given, AnalysisRequest) else validate(given)

    @property
    def listed(self) -> Self:
        """The job as a list shows it."""
        names = self.request.too_long_for_lists
        if not names:
            return self
        left_out = list(dict.fromkeys((*self.left_out, *names)))
        return self.model_copy(
            update={"request": without(self.request, names), "left_out": left_out}
        )

    def labelled(self, labels: Mapping[str, Label]) -> Self:
        """The job with these tags and notes, by the names of those who gave them; unseen yet."""
        found = self.model_copy()
        found._labels = labels
        return found

    @property
    def given_labels(self) -> Mapping[str, Label]:
        """Everybody's tags and notes by name."""
        return self._labels

    def seen_by(self, who: str, *, sees_all: bool) -> Self:
        """The job as this person sees it: with their own tags and note, or with everybody's too."""
        if not self._labels:
            return self
        own = self._labels.get(who)
        everybody = [self._labels[name] for name in sorted(self._labels)] if sees_all else []
        return self.model_copy(update={
            "tags": own.tags if own else [], "note": own.note if own else None,
            "labels": everybody,
        })  # fmt: skip

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """``LandscapeStatus`` for a ``LandscapeRequest``: the name in the schema."""
        return str(params[0].__name__).removesuffix("Request") + "Status"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen unless the request is submitted again."""
        return self.state in TERMINAL


#: A job of whichever kind.
AnyStatus: TypeAlias = JobStatus[Any, Any]


class StateEvent(Wire):
    """Data of an event named ``state``."""

    state: State
    error: str | None = Field(None, description="why it failed, one sentence")


class WaitingEvent(Wire):
    """Data of an event named ``waiting``, which has no id: whoever connects again is told anew."""

    waiting_before: int = Field(description="jobs that will be claimed before this one, as it is")


class FindingsEvent(Wire, Generic[FindingT]):
    """Data of an event named ``findings``."""

    findings: list[FindingT] = Field(description="all of them, provisional")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """``LandscapeFindings`` for a ``LandscapeFinding``."""
        return f"{params[0].__name__}s"


class Event(Wire):
    """One event of a job's stream.

    Its ``data`` is a ``StateEvent``, a ``Progress`` or a ``FindingsEvent``, by its name. Each says
    everything anew, so a reader may miss some.
    """

    id: str = Field(description="grows along the stream; a reader resumes after it")
    name: EventName
    data: JsonObject

    @property
    def is_last(self) -> bool:
        """Whether the stream ends here."""
        return self.name == "state" and self.data.get("state") in TERMINAL


class Page(Wire, Generic[ItemT]):
    """One page of a list, newest first."""

    items: list[ItemT]
    next_cursor: str | None = Field(description="pass it to get the next page; null: the last one")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """``LandscapeStatusPage`` and the like."""
        return f"{params[0].__name__}Page"


def page_of(items: Sequence[AnyStatus], next_cursor: str | None) -> Page[AnyStatus]:
    """One page of jobs, with their labels: validating makes new models of the same fields."""
    page = Page[AnyStatus](items=list(items), next_cursor=next_cursor)
    pairs = zip(page.items, items, strict=True)
    labelled = [new.labelled(each.given_labels) for new, each in pairs]
    return page.model_copy(update={"items": labelled})


class Readiness(Wire):
    """Whether requests can be served, and what an operator should know."""

    ready: bool
    checks: dict[str, str] = Field(description="ok, or a sentence, per thing that is needed")
    warnings: list[str]
