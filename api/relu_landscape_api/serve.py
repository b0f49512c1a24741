"""Running the service: the port first, then the service, then uvicorn around the application."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from types import FrameType

import uvicorn
import uvloop

import relu_landscape
from relu_landscape.analyses import ANALYSES, Registry
from relu_landscape.errors import ConfigurationError, Unavailable
from relu_landscape.jobs.interface import Service
from relu_landscape.settings import Settings
from relu_landscape_api.app import ServiceFactory, create_app, open_service
from relu_landscape_api.drain import Drain
from relu_landscape_api.exposure import is_open, require_consent, warnings
from relu_landscape_api.logs import configure_logging, quieten
from relu_landscape_api.settings import ApiSettings
from relu_landscape_api.sockets import bounded_protocol, bounds

#: The convention of Unix tools for a wrong invocation.
EXIT_CONFIGURATION = 2
#: Connections that may wait to be accepted.
_BACKLOG = 256
#: A connection without a request is closed after this. Whoever keeps one that is closed at that
#: moment loses a request: clients give theirs up after 5 s as uvicorn would, proxies after 60.
_IDLE_SECONDS = 75

_log = logging.getLogger("relu_landscape.api")


def serve(
    settings: ApiSettings | None = None,
    *,
    registry: Registry = ANALYSES,
    service_factory: ServiceFactory | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; the exit status.

    0 after a graceful stop; 2, with a sentence on standard error, where the settings cannot be
    used, the port is taken or the store or pool cannot be started. One line with the address goes
    to standard output once requests are answered.
    """
    try:
        chosen = ApiSettings.load() if settings is None else settings
        opening = service_factory or partial(open_service, registry=registry)
        configure_logging(chosen.log_level)
        if service_factory is None:
            _refuse_early(chosen)
        with (
            contextlib.closing(bind(chosen.host, chosen.port)) as listener,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_run(chosen, registry, opening, listener))
    except (ConfigurationError, Unavailable) as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the person at the terminal
        return EXIT_CONFIGURATION
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass  # stopped while still starting
    # The process ends now: collecting the libraries' objects one by one would take a second.
    gc.freeze()
    return 0


def _refuse_early(settings: ApiSettings) -> None:
    """Ask the store alone whether there is a key, before workers start and jobs are claimed."""
    if is_open(settings) and not settings.insecure:
        from relu_landscape.jobs.store.opened import has_keys

        require_consent(settings, has_keys=asyncio.run(has_keys(settings)))


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; ``ConfigurationError`` with the remedy where there can be none."""
    listener: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        # A port in TIME_WAIT after a restart may be taken; one that is listened on may not.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. Choose another "
            "address with --host and --port, or with RELU_LANDSCAPE_HOST and RELU_LANDSCAPE_PORT."
        ) from error
    return listener


async def _run(
    settings: ApiSettings,
    registry: Registry,
    service_factory: ServiceFactory,
    listener: socket.socket,
) -> None:
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()
    assert starting is not None  # noqa: S101 - inside asyncio.run there is one
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, starting.cancel)
    # Opened here and not by uvicorn, which would turn a clear refusal into a traceback.
    async with service_factory(settings) as service:
        has_keys = await service.keys.exist()
        require_consent(settings, has_keys=has_keys)
        for warning in warnings(settings, has_keys=has_keys):
            _log.warning("%s", warning)

        @asynccontextmanager
        async def already_open(_: Settings) -> AsyncIterator[Service]:
            yield service

        app = create_app(settings, registry=registry, service_factory=already_open)
        config = uvicorn.Config(
            app,
            http=bounded_protocol(bounds(settings)),
            ws="none",
            backlog=_BACKLOG,
            log_config=None,  # the root logger's JSON lines
            access_log=False,  # the application writes its own
            server_header=False,
            # uvicorn would believe X-Forwarded-For of every process on this machine. The
            # application has a setting of its own for whom to believe.
            proxy_headers=False,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_grace_seconds)),
        )
        server = _Server(config, app.state.drain)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.handle_exit, number, None)
        await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Announces the address when ready, and the end to open streams when told to stop."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the loop.

        uvicorn raises them again once it has stopped, which would end the process before the
        service has closed.
        """
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Without this, open event streams would hold the process for its whole grace period.
        self._drain.begin()
        # That its workers are killed and its connections lost is what an end consists of.
        quieten("distributed")
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is there now stays. The collector of cycles need not follow it again and again, for a
        # tenth of a second each time, in which nobody is answered.
        gc.collect()
        gc.freeze()
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(  # noqa: T201 - the one line for the person at the terminal
                f"relu-landscape {relu_landscape.__version__} is ready: http://{shown}:{port}",
                flush=True,
            )
