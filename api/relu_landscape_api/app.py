"""The application: routes, layers and exception handlers put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache, partial
from typing import TypeAlias

from fastapi import APIRouter, FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import relu_landscape
from relu_landscape.analyses import ANALYSES, Registry
from relu_landscape.errors import ConfigurationError
from relu_landscape.jobs import tracing
from relu_landscape.jobs.interface import Service
from relu_landscape.settings import Settings
from relu_landscape_api.answering import problems
from relu_landscape_api.answering.answers import Answers
from relu_landscape_api.answering.at_hand import GZIP_FROM_BYTES, GZIP_LEVEL, ResultsAtHand
from relu_landscape_api.drain import Drain
from relu_landscape_api.exposure import warnings
from relu_landscape_api.layers.compress import Compress
from relu_landscape_api.layers.conditional import Conditional
from relu_landscape_api.layers.door import Door
from relu_landscape_api.layers.gate import Gate
from relu_landscape_api.layers.methods import Methods
from relu_landscape_api.layers.observe import Observe
from relu_landscape_api.layers.origins import Origins
from relu_landscape_api.layers.rates import Rates
from relu_landscape_api.layers.shortcut import Shortcut
from relu_landscape_api.layers.trace import Trace
from relu_landscape_api.metrics import Metrics
from relu_landscape_api.openapi import build_openapi
from relu_landscape_api.routers import atlas, identity, operations, pages
from relu_landscape_api.routers.analyses import analysis_router
from relu_landscape_api.routers.calls import calls_router
from relu_landscape_api.routers.jobs import jobs_router
from relu_landscape_api.routers.ogc import ogc_router
from relu_landscape_api.settings import ApiSettings, proxies_in

#: Makes the service as an asynchronous context manager.
ServiceFactory: TypeAlias = Callable[[Settings], AbstractAsyncContextManager[Service]]


def open_service(settings: Settings, registry: Registry) -> AbstractAsyncContextManager[Service]:
    """The service over store and compute pool; their libraries are imported here, not before."""
    from relu_landscape.jobs.service import AnalysisService

    return AnalysisService.open(settings, registry=registry)


def create_app(
    settings: ApiSettings | None = None,
    *,
    registry: Registry = ANALYSES,
    service_factory: ServiceFactory | None = None,
) -> FastAPI:
    """A new application; the service opens when it starts and closes when it stops.

    ``settings`` left out: those of the environment. ``service_factory`` left out: the service
    over store and compute pool; another one must be made for the same ``registry``.
    ``app.state.drain.begin()`` ends open streams and waits.
    """
    chosen = ApiSettings.load() if settings is None else settings
    opening = (
        partial(open_service, registry=registry) if service_factory is None else service_factory
    )
    drain, metrics = Drain(), Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opening(chosen) as service:
            if service.registry != registry:
                raise ConfigurationError("The service does not compute what the routes offer.")
            app.state.service = service
            async with _forgetting(at_hand, service):
                yield
                drain.begin()

    app = FastAPI(
        title="relu-landscape",
        version=relu_landscape.__version__,
        summary="Loss landscapes of two-layer ReLU networks in the teacher-student setting",
        description="Every error is problem+json (RFC 9457) with a request id. Where the "
        "description of a field names a short form, that is accepted too; answers echo the long "
        "one. Every JSON shape is also under /v1/schema.json.",
        license_info={"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        docs_url=None,  # these load scripts from elsewhere; /docs serves the project's own copy
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # one address for each thing
        lifespan=lifespan,
    )
    app.state.settings, app.state.registry = chosen, registry
    app.state.warnings = warnings(chosen, has_keys=False)
    app.state.drain, app.state.metrics = drain, metrics
    app.state.door, app.state.rates = Door(chosen), Rates(chosen)
    at_hand = ResultsAtHand(
        chosen.results_at_hand_bytes,
        chosen.result_ttl_seconds,
        on_hit=metrics.results_at_hand.inc,
    )
    app.state.at_hand = at_hand
    answers = {each.kind: Answers(each, at_hand) for each in registry.analyses}
    routers = _routers(registry, chosen, answers)
    for router in routers:
        app.include_router(router)
    problems.install(app)
    # FastAPI's own cache forgets a document that it has not made itself.
    app.openapi = cache(partial(build_openapi, app, chosen, registry))  # type: ignore[method-assign]
    _add_layers(app, chosen, registry, answers, routers)
    return app


def _add_layers(
    app: FastAPI,
    settings: ApiSettings,
    registry: Registry,
    answers: Mapping[str, Answers],
    routers: Sequence[APIRouter],
) -> None:
    """Around every request."""
    # The last one added is the outermost. What the layers answer themselves is short or compressed.
    app.add_middleware(Conditional)
    app.add_middleware(Compress, minimum_size=GZIP_FROM_BYTES, compresslevel=GZIP_LEVEL)
    app.add_middleware(Shortcut, registry=registry, answers=answers)
    app.add_middleware(Methods, routes=[route for router in routers for route in router.routes])
    app.add_middleware(Origins, settings=settings, registry=registry)
    app.add_middleware(Gate, door=app.state.door, rates=app.state.rates, registry=registry)
    app.add_middleware(Observe, metrics=app.state.metrics)
    if tracing.begin():
        app.add_middleware(Trace)
    proxies = proxies_in(settings.trusted_proxies)
    if proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=proxies)


@asynccontextmanager
async def _forgetting(at_hand: ResultsAtHand, service: Service) -> AsyncIterator[None]:
    """Meanwhile, have at hand nothing that any process on the store deletes."""
    listening = asyncio.create_task(at_hand.listen(service.deletions()))
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


def _routers(
    registry: Registry, settings: ApiSettings, answers: Mapping[str, Answers]
) -> list[APIRouter]:
    """Short calls before analyses, whose paths have placeholders."""
    return [
        calls_router(registry, settings),
        *(analysis_router(each, settings, answers[each.kind]) for each in registry.analyses),
        jobs_router(registry),
        ogc_router(answers),
        atlas.router,
        identity.router,
        operations.router,
        pages.router,
    ]
