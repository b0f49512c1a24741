"""Where a landscape stands while it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from relu_landscape_client._decode import (
    Document,
    integer,
    number,
    optional_number,
    required,
)

#: States from which nothing more happens by itself.
FINAL = frozenset({"finished", "failed", "cancelled"})


@dataclass(frozen=True)
class Progress:
    """How far the computation has come.

    ``tasks`` counts the chunks of the current phase, ``starts`` the random starts of the whole
    job; ``fraction`` lies in [0, 1]; ``seconds_left`` is the server's estimate, or None.
    """

    phase: str = ""
    tasks_done: int = 0
    tasks: int = 0
    starts_done: int = 0
    starts: int = 0
    fraction: float = 0.0
    seconds_left: float | None = None

    @classmethod
    def from_document(cls, document: Document) -> Progress:
        """Read; unknown fields are ignored, missing ones zero."""
        return cls(
            phase=str(document.get("phase") or ""),
            tasks_done=integer(document.get("tasks_done") or 0),
            tasks=integer(document.get("tasks") or 0),
            starts_done=integer(document.get("starts_done") or 0),
            starts=integer(document.get("starts") or 0),
            fraction=number(document.get("fraction") or 0.0),
            seconds_left=optional_number(document.get("seconds_left")),
        )


@dataclass(frozen=True)
class Finding:
    """A fixed point seen so far; provisional until the landscape is finished."""

    key: str
    kind: str
    loss: float
    hits: int

    @classmethod
    def from_document(cls, document: Document) -> Finding:
        """Read; unknown fields are ignored."""
        return cls(
            key=str(document.get("key", "")),
            kind=str(document.get("kind", "")),
            loss=number(document.get("loss")),
            hits=integer(document.get("hits") or 0),
        )


@dataclass(frozen=True)
class Status:
    """A submitted landscape: its id, its state and what has been found so far.

    ``state`` is one of queued, running, cancelling, cancelled, failed, finished (or a word that a
    newer server uses). Times are ISO 8601 text in UTC.
    """

    id: str
    state: str
    request: Mapping[str, Any] = field(default_factory=dict, hash=False)
    progress: Progress = field(default_factory=Progress)
    findings: tuple[Finding, ...] = ()
    created_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: str | None = None
    attempts: int = 0

    @property
    def is_final(self) -> bool:
        """True once nothing more happens by itself."""
        return self.state in FINAL

    @classmethod
    def from_document(cls, document: Document) -> Status:
        """Read an answer of ``/v1/landscapes/{id}``: a status, or a result (then finished)."""
        if "fixed_points" in document:
            return cls(
                id=str(required(document, "id")),
                state="finished",
                request=dict(document.get("request") or {}),
                progress=Progress(fraction=1.0),
            )
        return cls(
            id=str(required(document, "id")),
            state=str(required(document, "state")),
            request=dict(document.get("request") or {}),
            progress=Progress.from_document(document.get("progress") or {}),
            findings=tuple(map(Finding.from_document, document.get("findings") or ())),
            created_at=document.get("created_at"),
            started_at=document.get("started_at"),
            finished_at=document.get("finished_at"),
            error=document.get("error"),
            attempts=integer(document.get("attempts") or 0),
        )

    def after(self, event: str, data: Any) -> Status:
        """The status after one event of the stream; unknown events change nothing."""
        if event == "progress" and isinstance(data, Mapping):
            return replace(self, progress=Progress.from_document(data.get("progress", data)))
        if event == "findings":
            points = data.get("findings", ()) if isinstance(data, Mapping) else data
            return replace(self, findings=tuple(map(Finding.from_document, points or ())))
        if event == "state" and isinstance(data, Mapping) and "state" in data:
            return replace(self, state=str(data["state"]), error=data.get("error") or self.error)
        return self
