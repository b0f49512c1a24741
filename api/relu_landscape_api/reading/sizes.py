"""How much of a request is looked at: sizes and types of its members, before any model sees them.

A model names every fault, and a megabyte can hold half a million of them, each with a message of
its own: tens of seconds for a body that deserves a millisecond. So whatever is too long, too many
or of the wrong type inside an array is found here, and the search ends soon after enough is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

#: Faults that one answer lists; one more is found, so that the answer can say that there are more.
MOST_FAULTS = 20
#: Items of an array, or values in a nest of objects, whose schema gives no bound of its own.
MOST_VALUES = 10_000

_TYPES: Mapping[str, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
}


class Oversight(NamedTuple):
    """One fault: where in the member, what is there, and what is wrong with it."""

    path: tuple[int, ...]
    value: object
    reason: str


def first_faults(value: object, schema: Mapping[str, Any], room: int) -> list[Oversight]:
    """The first faults of one member, at most ``room``; what is no array or object has none here.

    The time is proportional to the member's length, with a small factor.
    """
    parts = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    return list(islice(_faults(value, parts[0], ()), room))


def _faults(value: object, schema: Mapping[str, Any], path: tuple[int, ...]) -> Iterator[Oversight]:
    if isinstance(value, list) and schema.get("type") == "array":
        yield from _of_array(value, schema, path)
    elif isinstance(value, list | dict) and _holds_more(value, MOST_VALUES):
        yield Oversight(path, value, f"it holds more than {MOST_VALUES:,} values")


def _of_array(
    value: list[Any], schema: Mapping[str, Any], path: tuple[int, ...]
) -> Iterator[Oversight]:
    most = schema.get("maxItems", MOST_VALUES)
    if len(value) > most:
        yield Oversight(path, f"{len(value):,} items", f"it has more than {most:,} items")
        return
    items = schema.get("items", {})
    kind = items.get("type")
    if kind == "array":
        for position, item in enumerate(value):
            if isinstance(item, list):
                yield from _faults(item, items, (*path, position))
            else:
                yield Oversight((*path, position), item, "it must be an array")
    elif kind in _TYPES:
        yield from _of_leaves(value, items, path)
    elif _holds_more(value, MOST_VALUES):
        yield Oversight(path, value, f"it holds more than {MOST_VALUES:,} values")


def _of_leaves(
    value: list[Any], items: Mapping[str, Any], path: tuple[int, ...]
) -> Iterator[Oversight]:
    types = _TYPES[items["type"]]
    if set(map(type, value)) <= types and not _exceeds(value, items):
        return
    for position, item in enumerate(value):
        if type(item) not in types:
            yield Oversight((*path, position), item, f"it must be a {items['type']}")
        elif _exceeds([item], items):
            yield Oversight((*path, position), item, _bounds(items))


def _exceeds(value: list[Any], items: Mapping[str, Any]) -> bool:
    """Whether one of these, all of the right type, is out of its bounds."""
    if not value:
        return False
    if "maxLength" in items and max(map(len, value)) > items["maxLength"]:
        return True
    if "minimum" in items and min(value) < items["minimum"]:
        return True
    return "maximum" in items and max(value) > items["maximum"]


def _bounds(items: Mapping[str, Any]) -> str:
    if "maxLength" in items:
        return f"it has more than {items['maxLength']} characters"
    return f"it must lie between {items.get('minimum')} and {items.get('maximum')}"


def _holds_more(value: list[Any] | dict[str, Any], most: int) -> bool:
    """Whether more than ``most`` values are nested in this one; looks at no more than that."""
    left, seen = [value], 0
    while left:
        inner = left.pop()
        seen += len(inner)
        if seen > most:
            return True
        members = inner.values() if isinstance(inner, dict) else inner
        left += [member for member in members if isinstance(member, list | dict)]
    return False
