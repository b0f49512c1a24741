"""What both clients do with a server's jobs: list, tag, pin and delete them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal, TypedDict, Unpack

from relu_landscape_client import _flows
from relu_landscape_client._base import Base, id_of
from relu_landscape_client._drivers import AsyncDriver, SyncDriver
from relu_landscape_client._steps import Answer, Call, Conversation
from relu_landscape_client.status import Status


class Chosen(TypedDict, total=False):
    """Which jobs a list shows, and in which order; the server's own words (``docs/client.md``).

    ``mine``: those that the client's key asked for. ``tag``: one's own, or anybody's for an
    administrator. ``id``: its first digits. ``since`` and ``until``: when it was first asked for,
    the latter excluded. ``sort``: with a minus sign descending.
    """

    state: str | Sequence[str]
    student_width: int
    teacher_width: int
    seed: int
    input_dimension: int
    mine: bool
    asker: str
    tag: str
    text: str
    id: str
    since: str | date
    until: str | date
    sort: Literal[
        "created", "-created", "finished", "-finished", "student_width", "-student_width",
        "teacher_width", "-teacher_width", "seconds", "-seconds",
    ]  # fmt: skip


class OfEveryKind(Chosen, total=False):
    """The same of jobs of every kind."""

    kind: str | Sequence[str]


class Keeping(Base):
    """The part of ``Client`` that lists and keeps jobs."""

    _driver: SyncDriver

    def pin(self, which: str | Status) -> Status:
        """Have the server keep a finished result, of any kind, whatever it forgets otherwise."""
        return self._driver.run(_pin("PUT", id_of(which)))

    def unpin(self, which: str | Status) -> Status:
        """Let the server forget a result like any other."""
        return self._driver.run(_pin("DELETE", id_of(which)))

    def delete(self, which: str | Status) -> None:
        """Have the server delete a job of any kind that is over, with its result, for ever.

        What this client has in its own cache stays there.
        """
        self._driver.run(_delete(id_of(which)))

    def job(self, which: str | Status) -> Status:
        """The state of a job of any kind, also of a finished one: with tags, note and pin."""
        return self._driver.run(_job(id_of(which)))

    def tag(
        self, which: str | Status, tags: Sequence[str] | None = None, note: str | None = None
    ) -> Status:
        """Give a job of any kind tags and a note of one's own, in place of those it had.

        None: as they were; ``[]`` and ``""``: none. Nobody else sees them but administrators.
        """
        return self._driver.run(_tag(id_of(which), tags, note))

    def jobs(self, limit: int | None = 100, **chosen: Unpack[OfEveryKind]) -> list[Status]:
        """The server's jobs of every kind, newest first; limit None: all that are chosen."""
        return self._driver.run(_flows.listing(_flows.JOBS, limit, **_params(chosen)))

    def list(self, limit: int | None = 100, **chosen: Unpack[Chosen]) -> list[Status]:
        """The server's landscapes, newest first; limit None: all that are chosen."""
        return self._driver.run(_flows.listing(_flows.LANDSCAPES, limit, **_params(chosen)))


class AsyncKeeping(Base):
    """The same of ``AsyncClient``."""

    _driver: AsyncDriver

    async def pin(self, which: str | Status) -> Status:
        """See ``Client.pin``."""
        return await self._driver.run(_pin("PUT", id_of(which)))

    async def unpin(self, which: str | Status) -> Status:
        """See ``Client.unpin``."""
        return await self._driver.run(_pin("DELETE", id_of(which)))

    async def delete(self, which: str | Status) -> None:
        """See ``Client.delete``."""
        await self._driver.run(_delete(id_of(which)))

    async def job(self, which: str | Status) -> Status:
        """See ``Client.job``."""
        return await self._driver.run(_job(id_of(which)))

    async def tag(
        self, which: str | Status, tags: Sequence[str] | None = None, note: str | None = None
    ) -> Status:
        """See ``Client.tag``."""
        return await self._driver.run(_tag(id_of(which), tags, note))

    async def jobs(self, limit: int | None = 100, **chosen: Unpack[OfEveryKind]) -> list[Status]:
        """See ``Client.jobs``."""
        return await self._driver.run(_flows.listing(_flows.JOBS, limit, **_params(chosen)))

    async def list(self, limit: int | None = 100, **chosen: Unpack[Chosen]) -> list[Status]:
        """See ``Client.list``."""
        return await self._driver.run(_flows.listing(_flows.LANDSCAPES, limit, **_params(chosen)))


def _pin(method: str, job_id: str) -> Conversation[Status]:
    answer: Answer = yield Call(method, f"{_flows.JOBS}/{job_id}/pin")
    return Status.from_document(answer.document())


def _delete(job_id: str) -> Conversation[None]:
    yield Call("DELETE", f"{_flows.JOBS}/{job_id}")


def _job(job_id: str) -> Conversation[Status]:
    found: dict[str, Any] = yield from _flows.document(f"{_flows.JOBS}/{job_id}")
    return Status.from_document(found)


def _tag(job_id: str, tags: Sequence[str] | None, note: str | None) -> Conversation[Status]:
    given = {"tags": None if tags is None else [*tags], "note": note}
    change = {name: value for name, value in given.items() if value is not None}
    answer: Answer = yield Call("PATCH", f"{_flows.JOBS}/{job_id}", json=change)
    return Status.from_document(answer.document())


def _params(chosen: Chosen | OfEveryKind) -> dict[str, Any]:
    """As a query string has them; what is None is left out, as everywhere."""
    return {name: _written(value) for name, value in chosen.items() if value is not None}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, str | int) else ",".join(map(str, value))
