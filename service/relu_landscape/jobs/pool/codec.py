"""Tasks and answers as bytes: what crosses to workers and what is stored as a checkpoint.

Tasks and answers are frozen dataclasses (``engine.tasks``); cattrs turns them into JSON and back by
their annotations. Arrays travel as their raw bytes, so that every bit comes back, infinities and
the sign of zero included, in a third of the space of decimal digits.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any, TypeVar, get_origin

import numpy as np
import orjson
from cattrs import Converter
from cattrs.preconf.orjson import make_converter

from relu_landscape.engine.tasks import Composition, Task

AnswerT = TypeVar("AnswerT")


def _is_array(kind: Any) -> bool:
    return (get_origin(kind) or kind) is np.ndarray


def _pack(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    plain = np.ascontiguousarray(array)
    return {
        "dtype": plain.dtype.str,
        "shape": list(array.shape),
        "bytes": base64.b64encode(plain.tobytes()).decode("ascii"),
    }


def _unpack(packed: dict[str, Any], _: Any) -> np.ndarray[Any, Any]:
    raw = np.frombuffer(base64.b64decode(packed["bytes"]), dtype=np.dtype(packed["dtype"]))
    # A copy: what comes out of a buffer cannot be written to, and engine code may want to.
    return raw.reshape(packed["shape"]).copy()


@cache
def _converter() -> Converter:
    converter = make_converter()
    converter.register_unstructure_hook_func(_is_array, _pack)
    converter.register_structure_hook_func(_is_array, _unpack)
    return converter


def encode_task(task: Task[Any, Any]) -> bytes:
    """A task as JSON, with its kind. Equal tasks give equal bytes."""
    fields = _converter().unstructure(task)
    return orjson.dumps({"kind": task.kind, "task": fields}, option=orjson.OPT_SORT_KEYS)


def decode_task(composition: Composition[Any], data: bytes) -> Task[Any, Any]:
    """The task that was encoded, of one of the composition's classes."""
    packed = orjson.loads(data)
    return _converter().structure(packed["task"], composition.task_type(packed["kind"]))


def encode_answer(answer: object) -> bytes:
    """An answer as JSON. Equal answers give equal bytes."""
    return orjson.dumps(_converter().unstructure(answer), option=orjson.OPT_SORT_KEYS)


def decode_answer(task: Task[Any, AnswerT], data: bytes) -> AnswerT:
    """The answer of this task that was encoded: bit for bit what the worker had."""
    answer: AnswerT = _converter().structure(orjson.loads(data), task.answer)
    return answer
