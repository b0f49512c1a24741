"""The application: routes, layers and exception handlers put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

import relu_landscape
from relu_landscape.jobs.service import LandscapeService
from relu_landscape.settings import Settings
from relu_landscape_api.answering import problems
from relu_landscape_api.layers.drain import Drain
from relu_landscape_api.layers.gate import Gate
from relu_landscape_api.layers.methods import Methods
from relu_landscape_api.layers.observe import Observe
from relu_landscape_api.metrics import Metrics
from relu_landscape_api.openapi import build_openapi
from relu_landscape_api.routers import (
    events,
    families,
    fixed_points,
    landscapes,
    operations,
    pages,
)

ServiceFactory = Callable[[Settings], AbstractAsyncContextManager[LandscapeService]]

_ROUTERS = (
    landscapes.router,
    events.router,
    fixed_points.router,
    families.router,
    operations.router,
    pages.router,
)
#: Answers of a few hundred bytes fit one packet as they are.
_GZIP_FROM_BYTES = 1024
#: zlib's own default: level 9 costs several times the time for about one per cent of the size.
_GZIP_LEVEL = 6


def create_app(
    settings: Settings | None = None,
    *,
    service_factory: ServiceFactory = LandscapeService.open,
) -> FastAPI:
    """A new application; the service opens when it starts and closes when it stops.

    ``settings`` left out: those of the environment. ``service_factory`` makes the service, as an
    asynchronous context manager. ``app.state.drain.begin()`` ends open streams and waits.
    """
    chosen = Settings.load() if settings is None else settings
    drain, metrics = Drain(), Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service_factory(chosen) as service:
            app.state.service = service
            yield
            drain.begin()

    app = FastAPI(
        title="relu-landscape",
        version=relu_landscape.__version__,
        summary="Loss landscapes of two-layer ReLU networks in the teacher-student setting",
        description="Every error is problem+json (RFC 9457) with a request id. Names in requests "
        "are student_width and teacher_width; the short forms width (student) and K (teacher) are "
        "accepted, answers echo the long ones.",
        license_info={"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        docs_url=None,  # these load scripts from elsewhere; /docs serves the project's own copy
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # one address for each thing
        lifespan=lifespan,
    )
    app.state.settings, app.state.drain, app.state.metrics = chosen, drain, metrics
    for router in _ROUTERS:
        app.include_router(router)
    problems.install(app)
    # FastAPI's own cache forgets a document that it has not made itself.
    app.openapi = cache(partial(build_openapi, app, chosen))  # type: ignore[method-assign]
    # The last one added is the outermost.
    app.add_middleware(Methods, routes=[route for router in _ROUTERS for route in router.routes])
    app.add_middleware(Gate, settings=chosen)
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=_GZIP_LEVEL)
    app.add_middleware(Observe, metrics=metrics)
    return app
