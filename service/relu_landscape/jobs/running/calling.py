"""One process that computes short calls, one at a time, and can be killed at any moment.

A thread that runs away cannot be stopped; a process can. It is forked from a server that has the
engine imported already (``pool.forking``), so a new one answers within some tens of milliseconds.

Not ``pebble``, which promises the same: there, one idle process that is killed (for want of memory,
say) leaves the whole pool broken (tried with 5.2.3), and ending a call holds the others up.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from relu_landscape.analyses import Registry, function
from relu_landscape.errors import LandscapeError, PoolUnavailable
from relu_landscape.jobs.pool import forking, prctl
from relu_landscape.jobs.pool.worker import one_thread
from relu_landscape.wire.base import Wire

#: A process whose parent is gone ends by itself this long after its call should have.
ORPHAN_SECONDS = 5.0
#: A process is there within a second, the first one, with the engine's imports, within some; one
#: that takes longer than this never will.
START_SECONDS = 60.0


class CallProcess:
    """Computes what it is asked; begun when it is first needed, and again after each end."""

    def __init__(self, registry: Registry) -> None:
        self._modules = sorted({each.function.partition(":")[0] for each in registry.calls})
        self._asking = threading.Lock()
        self._changing = threading.Lock()
        self._closed = False
        self._process: Any = None
        self._pipe: Connection | None = None
        self._has_greeted = False
        self._is_starting = False

    @property
    def is_there(self) -> bool:
        """Whether a process has begun and waits for calls, or computes one."""
        return self._has_greeted

    def begin(self) -> None:
        """Have the process there before the first call needs it. Raises ``PoolUnavailable``."""
        with self._asking, self._ended_as_error():
            self._ready()

    def ask(self, name: str, query: Wire, seconds: float, given_up: threading.Event) -> Wire:
        """The answer of the function with this dotted name.

        ``given_up``, to be set before ``kill``: nobody waits for the answer. Raises what the
        function raises, if that is an error of ours; ``PoolUnavailable`` when the time is over,
        when ``kill`` was called meanwhile, or when the process died.
        """
        with self._asking, self._ended_as_error():
            self._ready()  # its time begins when the process is there
            if given_up.is_set():
                raise PoolUnavailable("Nobody waits for the calculation.")
            pipe = self._told((name, query, seconds + ORPHAN_SECONDS))
            if not pipe.poll(seconds):
                self.kill()
                raise PoolUnavailable(
                    f"The calculation did not end within {seconds:g} s; ask for less of it."
                )
            kind, payload = pipe.recv()
        if kind == "answer":
            return payload  # type: ignore[no-any-return]
        raise _rebuilt(*payload) if kind == "refusal" else RuntimeError(payload)

    def kill(self) -> None:
        """End the process now, whatever it does; the next call has another one. Never waits."""
        with self._changing:
            if self._process is not None:
                self._process.kill()
                self._process = None  # it may look alive for a moment longer

    def close(self) -> None:
        """End the process, for good."""
        self._closed = True
        self.kill()
        if self._is_starting:  # which waits for the server's imports
            forking.end_server()

    @contextmanager
    def _ended_as_error(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:
            self.kill()
            raise PoolUnavailable(
                "The process of the calculation ended before it, perhaps for want of memory."
            ) from error

    def _told(self, call: tuple[str, Wire, float]) -> Connection:
        """The pipe to a process that was told the call."""
        pipe = self._ready()
        try:
            pipe.send(call)
        except OSError:
            # Killed while it was idle, and looks alive for a moment longer: nothing was begun.
            self.kill()
            pipe = self._ready()
            pipe.send(call)
        return pipe

    def _ready(self) -> Connection:
        """The pipe to a process that waits for a call."""
        process = self._process
        if process is None or not process.is_alive():
            self._start()
        pipe = self._pipe
        assert pipe is not None  # noqa: S101 - for the type checker
        if not self._has_greeted:
            if not pipe.poll(START_SECONDS):
                raise OSError("the process does not start")
            pipe.recv()
            self._has_greeted = True
        return pipe

    def _start(self) -> None:
        if self._closed:
            raise PoolUnavailable("The service is stopping.")
        if self._pipe is not None:
            self._pipe.close()
        context = forking.context()
        ours, theirs = context.Pipe()
        arguments = (theirs, self._modules, dict(os.environ))
        process = context.Process(target=_serve, args=arguments, name="call", daemon=True)
        # Without the lock: it may take seconds, and ``kill`` is called from the event loop.
        self._is_starting = True
        try:
            process.start()
        finally:
            self._is_starting = False
            theirs.close()
        with self._changing:
            if self._closed:
                process.kill()
                raise OSError("the service is stopping")
            self._process, self._pipe, self._has_greeted = process, ours, False


def _serve(pipe: Connection, modules: list[str], environment: Mapping[str, str]) -> None:
    """Answer calls until the parent is gone; in the process itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches us too; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    prctl.name_process(prctl.CALL)
    os.environ.update(environment)  # ours is the server's, which may have begun for others
    one_thread()
    for module in modules:  # imported by the server already, unless it was begun for others
        importlib.import_module(module)
    pipe.send("here")
    while True:
        try:
            name, query, seconds = pipe.recv()
        except (EOFError, OSError):
            return
        # The kernel ends the process, whatever it is in, should nobody else be there to do it.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        answer = _answer(name, query)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        try:
            pipe.send(answer)
        except OSError:
            return


def _answer(name: str, query: Wire) -> tuple[str, Any]:
    try:
        return "answer", function(name)(query)
    except LandscapeError as error:
        return "refusal", (type(error), str(error), vars(error))
    except Exception:
        return "error", traceback.format_exc()


def _rebuilt(kind: type[LandscapeError], text: str, attributes: dict[str, Any]) -> LandscapeError:
    """An error of ours as it was: not all of them are made from their text."""
    error = kind.__new__(kind, text)
    error.args = (text,)
    vars(error).update(attributes)
    return error
