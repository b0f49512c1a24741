"""What runs in a worker process: one chunk, from names and JSON to JSON.

Workers, embedded or on other machines, need this package installed; nothing but text is sent.
A Dask scheduler imports this module too, to read what is sent to it, so it must stay light: what
is heavy in the engine is imported by the first chunk, in the worker.
"""

from __future__ import annotations

import functools
import importlib
import traceback
from typing import Any

import orjson
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from relu_landscape import ALGORITHM
from relu_landscape.engine import Task
from relu_landscape.errors import ConfigurationError, LandscapeError
from relu_landscape.jobs.engine import load

_ENCODING = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


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


def warm(run_task: str) -> None:
    """Import the engine before the first chunk needs it."""
    load(run_task)
    one_thread()


def encode(answer: Any) -> bytes:
    """JSON of an engine's answer, NumPy arrays and scalars included."""
    return orjson.dumps(answer, option=_ENCODING)


def encode_task(task: Task) -> bytes:
    """JSON of a task."""
    return encode(
        {
            "kind": task.kind,
            "key": task.key,
            "arguments": dict(task.arguments),
            "starts": task.starts,
        }
    )


def execute(
    algorithm: str, run_task: str, request: bytes, task: bytes, backend: str
) -> tuple[str, bytes]:
    """Run one chunk: ``("answer", JSON)`` or ``("error", JSON)``.

    Exceptions never cross the wire: another machine might not be able to rebuild them.
    """
    try:
        if algorithm != ALGORITHM:
            raise ConfigurationError(
                f"a worker has version {ALGORITHM} of the algorithm, the service {algorithm}; "
                "install the same release of relu-landscape everywhere"
            )
        function = load(run_task)
        one_thread()
        answer = function(orjson.loads(request), Task(**orjson.loads(task)), backend=backend)
        return "answer", encode(answer)
    except LandscapeError as error:
        return "error", encode({"text": str(error), "final": True, "traceback": ""})
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        return "error", encode({"text": text, "final": False, "traceback": traceback.format_exc()})
