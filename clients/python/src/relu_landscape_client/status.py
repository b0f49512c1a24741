"""Where a job stands while it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from relu_landscape_client._decode import (
    Document,
    each,
    integer,
    mapping,
    number,
    optional,
    required,
)
from relu_landscape_client.errors import ProtocolError

#: The kind of job that ``Client.landscape`` asks for.
LANDSCAPE = "landscape"
#: Results by the first of these members that they have, with their kind.
RESULTS = {
    "rates": "frequencies",
    "proved_radius": "perturbations",
    "loss_bound": "descents",
    "points": "points",
    "fixed_points": LANDSCAPE,
    "runs": "trajectory",
    "rows": "sweep",
}
#: From here on a time left is told in minutes.
LONG_SECONDS = 120.0
#: States from which nothing more happens by itself.
FINAL = frozenset({"finished", "failed", "cancelled"})


@dataclass(frozen=True)
class Progress:
    """How far the computation has come.

    ``tasks`` counts the chunks of the current phase, ``starts`` the random starts of the whole
    job; ``fraction`` lies in [0, 1]; ``seconds_left`` is the server's estimate, or None, and
    ``seconds_left_range`` between what it should be.
    """

    phase: str | None = None
    tasks_done: int = 0
    tasks: int = 0
    starts_done: int = 0
    starts: int = 0
    fraction: float = 0.0
    seconds_left: float | None = None
    seconds_left_range: tuple[float, float] | None = None

    @property
    def time_left(self) -> str:
        """The time left in words, with its range where there is one; empty: it is not known.

        >>> Progress(seconds_left=12.3, seconds_left_range=(8.0, 20.4)).time_left
        '8 to 20 s left'
        """
        seconds = self.seconds_left
        if seconds is None:
            return ""
        size, unit = (1.0, "s") if seconds < LONG_SECONDS else (60.0, "min")
        ends = self.seconds_left_range or (seconds, seconds)
        low, high = (f"{each / size:.0f}" for each in ends)
        return f"{low} to {high} {unit} left" if low != high else f"{low} {unit} left"

    @classmethod
    def from_document(cls, document: Document) -> Progress:
        """Read; what is missing has its default, as in the server's own model."""
        return cls(
            phase=optional(document, "phase", str),
            tasks_done=integer(document.get("tasks_done", 0)),
            tasks=integer(document.get("tasks", 0)),
            starts_done=integer(document.get("starts_done", 0)),
            starts=integer(document.get("starts", 0)),
            fraction=number(document.get("fraction", 0.0)),
            seconds_left=optional(document, "seconds_left", number),
            seconds_left_range=optional(document, "seconds_left_range", _range),
        )


@dataclass(frozen=True)
class Finding:
    """A fixed point seen so far; provisional until the landscape is finished.

    ``kind`` is ``unclassified`` or ``global_continuum``.
    """

    key: str
    kind: str
    loss: float
    hits: int

    @classmethod
    def from_document(cls, document: Document) -> Finding:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            kind=str(required(document, "kind")),
            loss=number(required(document, "loss")),
            hits=integer(required(document, "hits")),
        )


@dataclass(frozen=True)
class Status:
    """A submitted job: its id and kind, its state and what has been found so far.

    ``state`` is one of queued, running, cancelling, cancelled, failed, finished (or a word that a
    newer server uses). ``needs`` says which algorithm and backend class compute it: a job waits for
    a service that has them; ``waiting_before`` is how many will be claimed before it, None where it
    does not wait. Times are ISO 8601 text in UTC. ``findings`` stay empty for kinds of
    job that this client does not know. ``left_out`` names the fields of ``request`` that are None
    for their length (``reduced.numbers``: a member of one); the result has the whole request.
    ``holders`` want the job: a cancel lets go of one of them, and the last one stops it.
    ``pinned``: the server does not forget the result. ``tags`` and ``note`` are one's own;
    ``labels`` are everybody's, for an administrator: objects with ``who``, ``tags``, ``note``.
    """

    id: str
    kind: str
    state: str
    request: Mapping[str, Any] = field(default_factory=dict, hash=False)
    progress: Progress = field(default_factory=Progress)
    findings: tuple[Finding, ...] = ()
    created_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: str | None = None
    attempts: int = 0
    waiting_before: int | None = None
    needs: Mapping[str, str] = field(default_factory=dict, hash=False)
    left_out: tuple[str, ...] = ()
    holders: int = 1
    pinned: bool = False
    tags: tuple[str, ...] = ()
    note: str | None = None
    labels: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)

    @property
    def is_final(self) -> bool:
        """True once nothing more happens by itself."""
        return self.state in FINAL

    @classmethod
    def from_document(cls, document: Document) -> Status:
        """Read an answer of ``/v1/landscapes/{id}`` or ``/v1/trajectories/{id}``: a status, or a
        result (then finished)."""
        known = next((kind for member, kind in RESULTS.items() if member in document), None)
        if known is not None:
            return cls(
                id=str(required(document, "id")),
                kind=known,
                state="finished",
                request=dict(mapping(required(document, "request"))),
                progress=Progress(fraction=1.0),
            )
        kind = str(required(document, "kind"))
        return cls(
            id=str(required(document, "id")),
            kind=kind,
            state=str(required(document, "state")),
            request=dict(mapping(required(document, "request"))),
            progress=Progress.from_document(mapping(required(document, "progress"))),
            findings=_findings(kind, required(document, "findings")),
            created_at=required(document, "created_at"),
            started_at=required(document, "started_at"),
            finished_at=required(document, "finished_at"),
            error=required(document, "error"),
            attempts=integer(required(document, "attempts")),
            waiting_before=optional(document, "waiting_before", integer),
            needs=dict(mapping(required(document, "needs"))),
            left_out=tuple(map(str, required(document, "left_out"))),
            holders=integer(document.get("holders", 1)),
            pinned=document.get("pinned") is True,
            tags=tuple(map(str, document.get("tags", ()))),
            note=optional(document, "note", str),
            labels=each(document.get("labels", ()), lambda label: dict(mapping(label))),
        )

    def after(self, event: str, data: Any) -> Status:
        """The status after one event of the stream.

        Events that are unknown or cannot be read change nothing: a stream tells news, and what
        holds is what the server answers when it is asked.
        """
        try:
            return self._after(event, data)
        except ProtocolError:
            return self

    def _after(self, event: str, data: Any) -> Status:
        if not isinstance(data, Mapping):
            return self
        if event == "progress":
            return replace(self, progress=Progress.from_document(data))
        if event == "findings" and "findings" in data:
            return replace(self, findings=_findings(self.kind, data["findings"]))
        if event == "state" and "state" in data:
            state, error = str(data["state"]), data.get("error") or self.error
            before = self.waiting_before if state == "queued" else None
            return replace(self, state=state, error=error, waiting_before=before)
        if event == "waiting":
            return replace(self, waiting_before=optional(data, "waiting_before", integer))
        return self


def _range(given: Any) -> tuple[float, float]:
    low, high = each(given, number)
    return low, high


def _findings(kind: str, documents: Any) -> tuple[Finding, ...]:
    return each(documents, Finding.from_document) if kind == LANDSCAPE else ()
