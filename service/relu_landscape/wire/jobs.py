"""What the jobs room says about a job: frozen models, JSON types only."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["queued", "running", "cancelling", "cancelled", "failed", "finished"]

#: A job in one of these states changes only if the same request is submitted again.
TERMINAL: frozenset[str] = frozenset({"cancelled", "failed", "finished"})


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Progress(_Model):
    """How far the current phase of a job is."""

    phase: str | None = Field(None, description="name of the current phase; null before the first")
    tasks_done: int = Field(0, description="chunks of this phase that are done")
    tasks: int = Field(0, description="chunks of this phase in all")
    starts_done: int = Field(0, description="random starts that have ended, all phases")
    starts: int = Field(0, description="random starts asked for")
    fraction: float = Field(0.0, description="share of this phase's chunks that are done, 0 to 1")
    seconds_left: float | None = Field(
        None, description="estimate for this phase from the pace so far; null: not known"
    )


class JobStatus(_Model):
    """One job as of now."""

    id: str = Field(description="SHA-256 of the canonical request, algorithm and backend class")
    state: State
    request: dict[str, Any] = Field(description="the canonical request")
    created_at: str = Field(description="ISO 8601, UTC")
    started_at: str | None = Field(description="start of the first attempt; ISO 8601, UTC")
    finished_at: str | None = Field(description="finished, failed or cancelled; ISO 8601, UTC")
    progress: Progress
    findings: list[dict[str, Any]] = Field(
        description="provisional {key, kind, loss, hits}, until the result is in"
    )
    error: str | None = Field(description="why it failed, one sentence")
    attempts: int = Field(description="how often a process began or resumed it")

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen unless the request is submitted again."""
        return self.state in TERMINAL


class Event(_Model):
    """One event of a job's stream.

    ``state`` events carry ``{state, error}``, ``progress`` events a ``Progress``, ``findings``
    events ``{findings: [...]}``. Each says everything anew, so a reader may miss some.
    """

    id: str = Field(description="grows along the stream; a reader resumes after it")
    name: Literal["state", "progress", "findings"]
    data: dict[str, Any]

    @property
    def is_last(self) -> bool:
        """Whether the stream ends here."""
        return self.name == "state" and self.data.get("state") in TERMINAL


class Page(_Model):
    """One page of the list of jobs, newest first."""

    items: list[JobStatus]
    next_cursor: str | None = Field(description="pass it to get the next page; null: the last one")


class Readiness(_Model):
    """Whether requests can be served, and what an operator should know."""

    ready: bool
    checks: dict[str, str] = Field(description="ok, or a sentence, per thing that is needed")
    warnings: list[str]
