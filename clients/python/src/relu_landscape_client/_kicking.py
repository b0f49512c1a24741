"""Perturbations, as both clients ask for them: a part of ``client``, which is long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from relu_landscape_client import _answers, _bar, _drivers, _flows
from relu_landscape_client._base import Base, request_of
from relu_landscape_client._options import PerturbationsOptions

if TYPE_CHECKING:
    from relu_landscape_client._bar import ProgressOption
    from relu_landscape_client.perturbations import Perturbations


class Kicking(Base):
    """What ``Client`` asks about kicks."""

    _driver: _drivers.SyncDriver

    def perturbations(
        self, student_width: int, teacher_width: int, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[PerturbationsOptions],
    ) -> Perturbations:  # fmt: skip
        """How large a kick a fixed point withstands, named by its ``structure`` or given by its
        ``weights``; other arguments as for ``landscape``."""
        request = request_of(student_width, teacher_width, options)
        with _bar.watching(progress) as watcher:
            flow = self._whole(request, watcher, timeout_seconds, _flows.PERTURBATIONS)
            return _answers.perturbations(self._driver.run(flow))


class AsyncKicking(Base):
    """What ``AsyncClient`` asks about kicks."""

    _driver: _drivers.AsyncDriver

    async def perturbations(
        self, student_width: int, teacher_width: int, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[PerturbationsOptions],
    ) -> Perturbations:  # fmt: skip
        """See ``Client.perturbations``."""
        request = request_of(student_width, teacher_width, options)
        with _bar.watching(progress) as watcher:
            flow = self._whole(request, watcher, timeout_seconds, _flows.PERTURBATIONS)
            return _answers.perturbations(await self._driver.run(flow))
