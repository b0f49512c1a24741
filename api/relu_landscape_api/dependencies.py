"""What the routes are given: the service, the settings, the drain, the metrics."""

from __future__ import annotations

import re
from typing import Annotated, cast

from fastapi import Depends, Path, Request

from relu_landscape.errors import NotFound
from relu_landscape.jobs.service import LandscapeService
from relu_landscape.settings import Settings
from relu_landscape_api.layers.drain import Drain
from relu_landscape_api.metrics import Metrics

_CONTENT_ID = re.compile(r"[0-9a-f]{64}")


def _service(request: Request) -> LandscapeService:
    return cast(LandscapeService, request.app.state.service)


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


def _drain(request: Request) -> Drain:
    return cast(Drain, request.app.state.drain)


def _metrics(request: Request) -> Metrics:
    return cast(Metrics, request.app.state.metrics)


def _landscape_id(
    id: Annotated[  # noqa: A002 - the name in the path
        str,
        Path(
            description="content id of a landscape, 64 hexadecimal digits",
            json_schema_extra={"pattern": f"^{_CONTENT_ID.pattern}$"},
        ),
    ],
) -> str:
    """The id of the path; anything that cannot be one is simply not found."""
    if not _CONTENT_ID.fullmatch(id):
        raise NotFound(f"No landscape is called {id[:80]!r}; ids have 64 hexadecimal digits.")
    return id


Service = Annotated[LandscapeService, Depends(_service)]
ServiceSettings = Annotated[Settings, Depends(_settings)]
Draining = Annotated[Drain, Depends(_drain)]
Figures = Annotated[Metrics, Depends(_metrics)]
LandscapeId = Annotated[str, Depends(_landscape_id)]
