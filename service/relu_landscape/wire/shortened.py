"""What a job says of a request that is too long to be said again whenever somebody looks.

Fields are left out by their names, ``reduced.numbers`` for a member of one: null in what is shown.
A finished result has the whole request, and the job's id is its digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, cast

import orjson
from pydantic import Field, TypeAdapter

from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.requests import AnalysisRequest

RequestT = TypeVar("RequestT", bound=AnalysisRequest)

#: Bytes of JSON of a field that a job still shows when it is asked for by its id.
LONGEST_SHOWN = 65_536


def without(request: RequestT, names: Iterable[str]) -> RequestT:
    """The request with these fields null."""
    changes: dict[str, Any] = {}
    for name in names:
        outer, _, inner = name.partition(".")
        value = changes.get(outer, getattr(request, outer))
        changes[outer] = value.model_copy(update={inner: None}) if inner and value else None
    return request.model_copy(update=changes)


@dataclass(frozen=True)
class Shown:
    """A request as its job shows it, and the names of what is null there for its length."""

    request: JsonObject
    left_out: list[str]


def shown(request: AnalysisRequest) -> Shown | None:
    """What a job shows of its request; None: everything."""
    names = too_long(request)
    return Shown(without(request, names).canonical(), names) if names else None


def too_long(request: AnalysisRequest) -> list[str]:
    """Names of what its job does not show: of the fields that lists leave out, the longest."""
    return [name for name in request.too_long_for_lists if _size(request, name) > LONGEST_SHOWN]


def _size(request: AnalysisRequest, name: str) -> int:
    value: Any = request
    for step in name.split("."):
        value = getattr(value, step, None)
    return len(orjson.dumps(value))


def read(model: type[RequestT], shown: JsonObject) -> RequestT:
    """The model of what is shown of a request: every field is what it may be, or left out.

    What fields must be together was judged when it was whole. Raises ``ValidationError``.
    """
    fields = {name: _adapter(model, name).validate_python(value) for name, value in shown.items()}
    return cast("RequestT", model.model_construct(**fields))


@cache
def _adapter(model: type[AnalysisRequest], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = Annotated[field.annotation, Field(), *field.metadata]
    return TypeAdapter(kind)
