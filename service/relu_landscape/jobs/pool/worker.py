"""What runs in a worker process: one chunk, from names and JSON to JSON.

Workers, embedded or on other machines, need this package installed; nothing but text is sent.
A Dask scheduler imports this module too, to read what is sent to it, so it must stay light: what
is heavy in the engine is imported by the first chunk, in the worker.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any, Literal, NoReturn

import orjson
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from relu_landscape import ALGORITHM
from relu_landscape.errors import ConfigurationError, DeviceLost, LandscapeError
from relu_landscape.jobs import tracing
from relu_landscape.jobs.pool.known import Problems

logger = logging.getLogger(__name__)

Outcome = Literal["answer", "error", "unknown"]
#: Exit status of a worker whose GPU failed.
EXIT_WITHOUT_DEVICE = 70

_problems = Problems()


@functools.cache
def one_thread() -> Any:
    """Bind BLAS and OpenMP to one thread in this process, once.

    The order of a parallel sum depends on the number of threads; its rounding can change which
    minimum a start reaches. NumPy and SciPy bring a BLAS each, and only one that is loaded can be
    bound, so both are imported first.
    """
    importlib.import_module("numpy.linalg")
    importlib.import_module("scipy.linalg")
    return threadpool_limits(limits=1)


def warm(compositions: tuple[str, ...]) -> None:
    """Import the engine before the first chunk needs it."""
    from relu_landscape.analyses import composition

    for name in compositions:
        composition(name)
    one_thread()


@contextlib.contextmanager
def announced() -> Iterator[None]:
    """In a worker of Dask, say when a chunk begins and when it ends (``watch``)."""
    distributed = sys.modules.get("distributed")  # imported wherever there is a worker of Dask
    try:
        here = distributed.get_worker() if distributed else None
    except ValueError:
        here = None
    if here is None:
        yield
        return
    from relu_landscape.jobs.pool.watch import TOPIC

    said = {"chunk": here.get_current_task(), "worker": here.address}
    here.log_event(TOPIC, {**said, "begins": True})
    began = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - began
        here.log_event(TOPIC, {**said, "begins": False, "seconds": seconds})


@announced()
def execute(
    algorithm: str,
    composition_name: str,
    request: bytes,
    task: bytes,
    backend: str,
    trace: str = "",
) -> tuple[Outcome, bytes]:
    """Run one chunk: ``("answer", JSON)`` or ``("error", JSON)``.

    ``request`` is JSON, or the name of a long one (``known``); ``("unknown", b"")``: this process
    was not told it, and the chunk must come again with it. ``trace``: what it is a part of.
    Exceptions never cross the wire: another machine might not be able to rebuild them.
    """
    if not trace:
        return _execute(algorithm, composition_name, request, task, backend)
    tracing.begin()
    with tracing.span("chunk", trace, "CONSUMER", relu_landscape__kind=_kind_of(task)) as span:
        outcome, answer = _execute(algorithm, composition_name, request, task, backend)
        span.say(relu_landscape__outcome=outcome)
        if outcome == "error":
            span.fail("error")
        return outcome, answer


def _execute(
    algorithm: str, composition_name: str, request: bytes, task: bytes, backend: str
) -> tuple[Outcome, bytes]:
    try:
        if algorithm != ALGORITHM:
            raise ConfigurationError(
                f"a worker has version {ALGORITHM} of the algorithm, the service {algorithm}; "
                "install the same release of relu-landscape everywhere"
            )
        from relu_landscape.analyses import composition
        from relu_landscape.jobs.pool.codec import decode_task, encode_answer
        from relu_landscape.jobs.pool.device import backend_here

        chosen = composition(composition_name)
        one_thread()
        problem = _problems.find(composition_name, chosen, request)
        if problem is None:
            return "unknown", b""
        answer = decode_task(chosen, task).run(problem, backend_here(backend))
        return "answer", encode_answer(answer)
    except DeviceLost as error:
        _end(error)
    except LandscapeError as error:
        return "error", _error(str(error), final=True)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        return "error", _error(text, traceback=traceback.format_exc())


def _end(error: DeviceLost) -> NoReturn:
    """End this process, so that the pool makes another and has the chunk computed there."""
    logger.critical("%s; this worker process ends", error)
    os._exit(EXIT_WITHOUT_DEVICE)


def _kind_of(task: bytes) -> str:
    try:
        return str(orjson.loads(task)["kind"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


def _error(text: str, *, final: bool = False, traceback: str = "") -> bytes:
    return orjson.dumps({"text": text, "final": final, "traceback": traceback})
