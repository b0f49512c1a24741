"""Waiting for many, as both clients do it: a part of ``client``, which is long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

from relu_landscape_client import _answers, _bar, _drivers, _flows
from relu_landscape_client._base import Base, id_of
from relu_landscape_client.errors import ClientError
from relu_landscape_client.status import Status

if TYPE_CHECKING:
    from relu_landscape_client._bar import ProgressOption
    from relu_landscape_client.results import Landscape


class Gathering(Base):
    """How ``Client`` waits for many."""

    _driver: _drivers.SyncDriver

    @overload
    def gather(
        self, submitted: Sequence[str | Status], *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, return_errors: Literal[False] = False,
    ) -> list[Landscape]: ...  # fmt: skip
    @overload
    def gather(
        self, submitted: Sequence[str | Status], *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, return_errors: bool,
    ) -> list[Landscape | ClientError]: ...  # fmt: skip
    def gather(
        self, submitted: Sequence[str | Status], *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, return_errors: bool = False,
    ) -> list[Landscape] | list[Landscape | ClientError]:  # fmt: skip
        """Wait for many; their landscapes in the same order.

        The first failure is raised, or with ``return_errors`` stands in its place in the list.
        """
        ids = [id_of(each) for each in submitted]
        with _bar.watching(progress) as watcher:
            found = self._driver.run(
                _flows.gather(ids, self._cache, watcher, timeout_seconds, return_errors)
            )
        return _answers.landscapes(found)


class AsyncGathering(Base):
    """How ``AsyncClient`` waits for many."""

    _driver: _drivers.AsyncDriver

    @overload
    async def gather(
        self, submitted: Sequence[str | Status], *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, return_errors: Literal[False] = False,
    ) -> list[Landscape]: ...  # fmt: skip
    @overload
    async def gather(
        self, submitted: Sequence[str | Status], *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, return_errors: bool,
    ) -> list[Landscape | ClientError]: ...  # fmt: skip
    async def gather(
        self, submitted: Sequence[str | Status], *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, return_errors: bool = False,
    ) -> list[Landscape] | list[Landscape | ClientError]:  # fmt: skip
        """See ``Client.gather``."""
        ids = [id_of(each) for each in submitted]
        with _bar.watching(progress) as watcher:
            found = await self._driver.run(
                _flows.gather(ids, self._cache, watcher, timeout_seconds, return_errors)
            )
        return _answers.landscapes(found)
