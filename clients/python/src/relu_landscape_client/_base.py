"""What both clients remember and ask alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relu_landscape_client import _bar, _decode, _flows
from relu_landscape_client._cache import Cache, default_folder
from relu_landscape_client._options import (
    DescentsQuestion,
    FrequenciesOptions,
    Options,
    PerturbationsOptions,
    SweepOptions,
    TrajectoryOptions,
)
from relu_landscape_client._steps import Conversation
from relu_landscape_client.status import Status

if TYPE_CHECKING:
    from relu_landscape_client._http import Patience
    from relu_landscape_client._local import LocalService
    from relu_landscape_client.results import Landscape
    from relu_landscape_client.trajectories import Trajectory


def request_of(
    student_width: int, teacher_width: int,
    options: (
        Options | TrajectoryOptions | FrequenciesOptions | PerturbationsOptions | DescentsQuestion
    ),
) -> dict[str, Any]:  # fmt: skip
    """A request in JSON's own types; raises ``RequestRefused``."""
    return _decode.plain(
        {"student_width": student_width, "teacher_width": teacher_width, **options}
    )


def query_of(student_width: int, teacher_width: int, options: Options) -> dict[str, Any]:
    """The same for a query string, where lists are written as JSON; raises ``RequestRefused``."""
    asked = request_of(student_width, teacher_width, options)
    return {
        name: json.dumps(value) if isinstance(value, list) else value
        for name, value in asked.items()
    }


def sweep_of(grid: Mapping[str, Any], again: int | None, options: SweepOptions) -> dict[str, Any]:
    """A sweep's request in JSON's own types; raises ``RequestRefused``."""
    base = _decode.plain(dict(options))
    return _decode.plain({"base": base, "grid": _decode.plain(grid), "again": again})


def id_of(which: str | Status | Landscape | Trajectory) -> str:
    """The id of a job, given by itself or by what is known of it."""
    return which if isinstance(which, str) else which.id


def _cache(cache: bool | str | Path) -> Cache:
    if cache is False:
        return Cache(None)
    return Cache(default_folder() if cache is True else Path(cache))


class Base:
    """What both clients remember: the cache, and what decides this server's results."""

    def __init__(self, cache: bool | str | Path, patience: Patience) -> None:
        self._cache = _cache(cache)
        self._served_by: str | None = None
        self._asked_who = self._cache.folder is None
        self._patience = patience
        self._service: LocalService | None = None

    def _own(self, service: LocalService) -> None:
        """Ask a service of one's own, which ends with this client."""
        self._service = service
        self._patience.ended = service.ended

    def _end_own(self) -> None:
        if self._service is not None:
            self._service.stop()

    def _identity(self) -> Conversation[str | None]:
        """Ask once who serves here; without a cache nobody needs to know."""
        if not self._asked_who:
            self._served_by = yield from _flows.identity()
            self._asked_who = True
        return self._served_by

    def _whole(
        self, request: _flows.Request, watcher: _bar.Watcher | None, timeout: float | None,
        kind: str = _flows.LANDSCAPES,
    ) -> Conversation[_flows.Document]:  # fmt: skip
        served_by = yield from self._identity()
        found: _flows.Document = yield from _flows.whole(
            request, self._cache, served_by, watcher, timeout, kind
        )
        return found
