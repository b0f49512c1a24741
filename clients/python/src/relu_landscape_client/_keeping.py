"""What both clients do with jobs that are over."""

from __future__ import annotations

from relu_landscape_client import _flows
from relu_landscape_client._base import Base, id_of
from relu_landscape_client._drivers import AsyncDriver, SyncDriver
from relu_landscape_client._steps import Answer, Call, Conversation
from relu_landscape_client.status import Status


class Keeping(Base):
    """The part of ``Client`` that keeps results."""

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


def _pin(method: str, job_id: str) -> Conversation[Status]:
    answer: Answer = yield Call(method, f"{_flows.JOBS}/{job_id}/pin")
    return Status.from_document(answer.document())


def _delete(job_id: str) -> Conversation[None]:
    yield Call("DELETE", f"{_flows.JOBS}/{job_id}")
