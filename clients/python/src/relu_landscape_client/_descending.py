"""Descents, as both clients ask for them: a part of ``client``, which is long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from relu_landscape_client import _answers, _bar, _drivers, _flows
from relu_landscape_client._base import Base, request_of
from relu_landscape_client._options import DescentsOptions, Rule

if TYPE_CHECKING:
    from relu_landscape_client._bar import ProgressOption
    from relu_landscape_client.descents import Descents


class Descending(Base):
    """What ``Client`` asks about descents."""

    _driver: _drivers.SyncDriver

    def descents(
        self, student_width: int, teacher_width: int, rule: Rule, *,
        progress: ProgressOption = None, timeout_seconds: float | None = None,
        **options: Unpack[DescentsOptions],
    ) -> Descents:  # fmt: skip
        """Where descents by a ``rule`` end: ``gradient_flow``, ``gradient_descent``,
        ``normalised``, ``orthonormalised`` or ``two_layer``; other arguments as for
        ``landscape``."""
        request = request_of(student_width, teacher_width, {"rule": rule, **options})
        with _bar.watching(progress) as watcher:
            flow = self._whole(request, watcher, timeout_seconds, _flows.DESCENTS)
            return _answers.descents(self._driver.run(flow))


class AsyncDescending(Base):
    """What ``AsyncClient`` asks about descents."""

    _driver: _drivers.AsyncDriver

    async def descents(
        self, student_width: int, teacher_width: int, rule: Rule, *,
        progress: ProgressOption = None, timeout_seconds: float | None = None,
        **options: Unpack[DescentsOptions],
    ) -> Descents:  # fmt: skip
        """See ``Client.descents``."""
        request = request_of(student_width, teacher_width, {"rule": rule, **options})
        with _bar.watching(progress) as watcher:
            flow = self._whole(request, watcher, timeout_seconds, _flows.DESCENTS)
            return _answers.descents(await self._driver.run(flow))
