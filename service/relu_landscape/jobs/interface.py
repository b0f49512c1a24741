"""What the HTTP side needs of a service, whatever stands behind it.

Two things do: ``jobs.service.AnalysisService`` over a store and a compute pool, and
``jobs.testing.InMemoryService``. One suite of tests holds both to what is said here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from relu_landscape.analyses import Registry
from relu_landscape.jobs.identity import KeyRing, Trail
from relu_landscape.jobs.listing import EVERYTHING, Wanted
from relu_landscape.jobs.words import ANYONE
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import AnyStatus, Event, Page, Readiness
from relu_landscape.wire.labels import LabelChange
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape.wire.service import ServiceInfo


class Service(Protocol):
    """Submit, watch, fetch and cancel analyses of every kind that the registry knows.

    Every method may raise ``StoreUnavailable``; jobs themselves survive the store's absence.
    """

    @property
    def registry(self) -> Registry:
        """The kinds of analysis and the short calls that it answers."""

    @property
    def keys(self) -> KeyRing:
        """The keys that open it."""

    @property
    def trail(self) -> Trail:
        """Who did what."""

    def identify(self, request: AnalysisRequest) -> str:
        """The content id that this service gives to the request. Asks and keeps nothing.

        Raises ``RequestError`` where the settings allow less than the request asks for.
        """

    async def submit(self, request: AnalysisRequest, holder: str = ANYONE) -> AnyStatus:
        """Queue an analysis unless it is known already; safe in the store when this returns.

        ``holder`` wants it until it is over, or until a cancel in the same name.

        Equal requests have equal ids and share one computation. A job that failed or was
        cancelled begins again, from the chunks it had finished. Raises ``RequestError`` where the
        settings allow less than the request asks for, ``InputError`` for what only the engine can
        judge, ``Busy`` when too many jobs wait.
        """

    async def status(self, id: str) -> AnyStatus:  # noqa: A002 - the name in the contract
        """One job as of now. Raises ``NotFound``."""

    async def wait(self, id: str, timeout_seconds: float) -> AnyStatus:  # noqa: A002
        """The job when it is over, or as it is when the time is. Raises ``NotFound``."""

    async def result(self, id: str) -> bytes:  # noqa: A002
        """The finished result as JSON bytes, always the same ones.

        Raises ``NotFound`` for an unknown id or a job without a result yet, ``JobFailed``.
        """

    async def part(self, id: str, key: str) -> JsonObject:  # noqa: A002
        """One part of a result in full (``Parts.full`` of its kind), by its key.

        Raises ``NotFound`` for an unknown id or key, a kind without parts, or a job without a
        result yet, ``JobFailed``.
        """

    async def cancel(self, id: str, holder: str | None = ANYONE) -> AnyStatus:  # noqa: A002
        """Let go of a job: ``cancelling`` until the cores are free, then ``cancelled``.

        One that others want goes on, and its ``holders`` say how many; ``holder`` None lets go
        for all of them. A job that is over stays as it is. Raises ``NotFound``.
        """

    async def pin(self, id: str) -> AnyStatus:  # noqa: A002
        """Keep a finished result, however old it is and whatever room it takes; again is once.

        Raises ``NotFound``, ``WrongState`` for a job that is not finished.
        """

    async def unpin(self, id: str) -> AnyStatus:  # noqa: A002
        """Let a job be forgotten like any other; one without a pin stays so. ``NotFound``."""

    async def delete(self, id: str) -> None:  # noqa: A002
        """Remove a job that is over with all that is kept of it, in an archive as well.

        Raises ``NotFound``, ``WrongState`` for one that is not over, or that is pinned.
        """

    async def label(self, id: str, who: str, change: LabelChange) -> AnyStatus:  # noqa: A002
        """Have somebody's tags and note of a job, in whatever state, be these. ``NotFound``."""

    def deletions(self) -> AsyncIterator[str | None]:
        """Ids of jobs as they are deleted, by whichever process on the store, without an end.

        None: some may have been deleted of which nothing was heard. Whoever has results at hand
        drops those that are named, or all. Raises nothing.
        """

    async def note_asker(self, id: str, who: str) -> None:  # noqa: A002
        """Remember that somebody asked for a finished job, as ``submit`` does. Never raises."""

    async def list(
        self, *, kind: str | None, cursor: str | None, limit: int, wanted: Wanted = EVERYTHING
    ) -> Page[AnyStatus]:
        """Jobs of one kind or of all that are ``wanted``, newest first unless that says otherwise.

        Raises ``RequestError`` for a cursor that no page of such a list gave, ``NotFound`` for an
        unknown kind.
        """

    def events(self, id: str, last_event_id: str | None) -> AsyncIterator[Event]:  # noqa: A002
        """The job's events after ``last_event_id`` (or all that are kept), to the last one.

        The iterator raises ``NotFound``, or ``RequestError`` for an id that no event had.
        """

    async def call(self, name: str, query: Wire, timeout_seconds: float) -> Wire:
        """Answer a short call of the registry.

        Raises what its function raises (errors of ours only), ``NotFound`` for an unknown name,
        ``Busy`` when too many calls wait, ``PoolUnavailable`` when the time is over.
        """

    async def readiness(self) -> Readiness:
        """Whether store, workers and coordinator answer, and what an operator should know."""

    async def figures(self) -> dict[str, float]:
        """Figures for whoever watches over it, by name.

        Jobs by state, the age of the one that waits first, and the store's memory (whole store);
        chunks and worker threads (this process).
        """

    def info(self) -> ServiceInfo:
        """Versions, backend and why, store and pool, limits."""
