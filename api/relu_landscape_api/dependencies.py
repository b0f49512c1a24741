"""What the routes are given: service, settings, registry, drain, metrics, and a job's id."""

from __future__ import annotations

import re
from typing import Annotated, cast

from fastapi import Depends, Path, Request

from relu_landscape.analyses import Analysis, Registry
from relu_landscape.errors import NotFound
from relu_landscape.jobs import interface
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape_api.drain import Drain
from relu_landscape_api.metrics import Metrics
from relu_landscape_api.settings import ApiSettings

_CONTENT_ID = re.compile(r"[0-9a-f]{64}")


# Asynchronous, though none of them waits: FastAPI sends plain functions to a thread, which costs
# more than the whole rest of a request.


async def _service(request: Request) -> interface.Service:
    return cast(interface.Service, request.app.state.service)


async def _settings(request: Request) -> ApiSettings:
    return cast(ApiSettings, request.app.state.settings)


async def _registry(request: Request) -> Registry:
    return cast(Registry, request.app.state.registry)


async def _drain(request: Request) -> Drain:
    return cast(Drain, request.app.state.drain)


async def _metrics(request: Request) -> Metrics:
    return cast(Metrics, request.app.state.metrics)


async def _job_id(
    id: Annotated[  # noqa: A002 - the name in the path
        str,
        Path(
            description="content id of a job, 64 hexadecimal digits",
            json_schema_extra={"pattern": f"^{_CONTENT_ID.pattern}$"},
        ),
    ],
) -> str:
    """The id of the path; anything that cannot be one is simply not found."""
    if not _CONTENT_ID.fullmatch(id):
        raise NotFound(f"No job is called {id[:80]!r}; ids have 64 hexadecimal digits.")
    return id


Service = Annotated[interface.Service, Depends(_service)]
ServiceSettings = Annotated[ApiSettings, Depends(_settings)]
Known = Annotated[Registry, Depends(_registry)]
Draining = Annotated[Drain, Depends(_drain)]
Figures = Annotated[Metrics, Depends(_metrics)]
JobId = Annotated[str, Depends(_job_id)]


async def job_of(analysis: Analysis, service: interface.Service, id: str) -> AnyStatus:  # noqa: A002
    """The job, which must be of this kind. Raises ``NotFound``."""
    status = await service.status(id)
    if status.kind != analysis.kind:
        raise NotFound(f"The job {id} is no {analysis.noun}; its kind is {status.kind}.")
    return status
