"""Reading JSON with care: what a newer server adds is kept aside, what is missing is named.

``null`` stands for NaN, which JSON lacks. Integers beyond 2^53 come as strings of digits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from relu_landscape_client.errors import ProtocolError, RequestRefused

Document = Mapping[str, Any]
T = TypeVar("T")

#: Marks a field of a result's class that is no member of the server's JSON object.
OURS = {"ours": True}


def members(kind: type[Any]) -> frozenset[str]:
    """The members of the JSON object that a dataclass of results is read from."""
    return frozenset(one.name for one in fields(kind) if "ours" not in one.metadata)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; ``ProtocolError`` where it holds none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the answer is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"the answer is a {type(document).__name__}, not a JSON object")
    return document


def required(document: Document, name: str) -> Any:
    """``document[name]``; ``ProtocolError`` naming it where it is missing."""
    if not isinstance(document, Mapping):
        raise ProtocolError(f"{document!r:.80} stands where an object should")
    try:
        return document[name]
    except KeyError:
        raise ProtocolError(f"the answer lacks the field {name!r}") from None


def nullable(document: Document, name: str, read: Callable[[Any], T]) -> T | None:
    """``read(document[name])``; None where it is ``null``, ``ProtocolError`` where missing."""
    value = required(document, name)
    return None if value is None else read(value)


def optional(document: Document, name: str, read: Callable[[Any], T]) -> T | None:
    """``read(document[name])``; None where it is ``null`` or missing."""
    value = document.get(name)
    return None if value is None else read(value)


def pair(value: Any, read: Callable[[Any], T]) -> tuple[T, T]:
    """``read`` of both entries of a list of two."""
    entries = each(value, read)
    if len(entries) != 2:
        raise ProtocolError(f"{value!r:.80} stands where two entries should")
    return entries[0], entries[1]


def each(value: Any, read: Callable[[Any], T]) -> tuple[T, ...]:
    """``read`` of every entry of a list."""
    if not isinstance(value, list | tuple):
        raise ProtocolError(f"{value!r:.80} stands where a list should")
    return tuple(map(read, value))


def mapping(value: Any) -> Document:
    """A JSON object as it came."""
    if not isinstance(value, Mapping):
        raise ProtocolError(f"{value!r:.80} stands where an object should")
    return value


def number(value: Any) -> float:
    """A float; ``null`` becomes NaN."""
    if value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ProtocolError(f"{value!r:.80} stands where a number should") from None


def integer(value: Any) -> int:
    """An exact integer, also from a string of digits."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ProtocolError(f"{value!r:.80} stands where an integer should") from None
    if isinstance(value, float) and value != whole:
        raise ProtocolError(f"{value!r} stands where an integer should")
    return whole


def without_nan(value: Any) -> Any:
    """The same document with NaN and infinities as ``null``: strict JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return value


def strict_json(document: Any) -> str:
    """Strict JSON text, NaN as ``null``; every float reads back to the same double."""
    return json.dumps(without_nan(document), allow_nan=False, ensure_ascii=False)


def plain(request: Document) -> dict[str, Any]:
    """A request in JSON's own types; NumPy scalars and arrays, as loops yield them, are taken.

    ``RequestRefused`` where something has no JSON form, NaN and infinity included. Options that
    are None are left out: the server's default holds.
    """
    given = {name: value for name, value in request.items() if value is not None}
    try:
        text = json.dumps(given, allow_nan=False, default=_of_numpy)
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestRefused(0, "Not sent", f"the request has no JSON form: {error}") from error
    plain: dict[str, Any] = json.loads(text)
    return plain


def _of_numpy(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r:.80} is a {type(value).__name__}")
