"""Requests as models: names long or short, values typed by the schema, faults in sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any, TypeAlias, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from relu_landscape.errors import RequestError
from relu_landscape.settings import Settings
from relu_landscape.wire.base import field_names
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape_api.reading.bodies import parse_json
from relu_landscape_api.reading.sizes import MOST_FAULTS, first_faults

#: Several times the fields that any request has; a query string may hold thousands.
MOST_PARAMETERS = 100

Model = TypeVar("Model", bound=BaseModel)
#: A JSON schema.
Schema: TypeAlias = dict[str, Any]


def invalid(field: str, value: object, bounds: str, *, place: str) -> RequestValidationError:
    """A refusal of one field; ``bounds`` says what would be accepted."""
    return RequestValidationError([{"loc": (place, field), "input": value, "msg": bounds}])


def with_long_names(
    pairs: Iterable[tuple[str, Any]], model: type[BaseModel], *, place: str
) -> dict[str, Any]:
    """The pairs under long names. A field given twice, or long and short, is refused."""
    names = field_names(model)
    values: dict[str, Any] = {}
    given: dict[str, str] = {}
    for name, value in pairs:
        long = names.get(name, name)
        if long in values:
            how = "more than once" if given[long] == name else f"as {given[long]} and as {name}"
            raise invalid(long, value, f"it is given {how}; give it once", place=place)
        values[long], given[long] = value, name
    return values


@cache
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()  # milliseconds, which every request would pay


def schema_of(model: type[BaseModel]) -> Schema:
    """JSON schema of a request, long names."""
    return deepcopy(_schema(model))


def maxima_of(model: type[AnalysisRequest], settings: Settings) -> Mapping[str, int]:
    """The service's own bounds on a request, by field."""
    return model.maxima(
        largest_width=settings.largest_width, largest_starts=settings.largest_starts
    )


def with_maxima(schema: Schema, maxima: Mapping[str, int]) -> Schema:
    """The schema with the service's own bounds in place of the model's.

    A default above its bound would make a request that leaves the field out one that is refused:
    the bound is the default then.
    """
    properties = {
        name: _bounded(part, maxima[name]) if name in maxima else part
        for name, part in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def schema_within(model: type[AnalysisRequest], settings: Settings) -> Schema:
    """JSON schema of a request to a service with these settings."""
    return with_maxima(schema_of(model), maxima_of(model, settings))


def _bounded(part: Schema, largest: int) -> Schema:
    default = {"default": min(part["default"], largest)} if "default" in part else {}
    return {**part, "maximum": largest, **default}


def validated(
    model: type[Model], values: Mapping[str, Any], schema: Mapping[str, Any], *, place: str
) -> Model:
    """The model of ``values`` (JSON types, long names), nothing converted between types.

    ``18.0`` and ``1e6`` are integers, as JSON schema has it. A field that is left out has the
    default of ``schema``, which may be the service's own.

    Raises ``RequestValidationError`` that names every fault, its value and the bounds.
    """
    whole, faults = _looked_over({**_own_defaults(model, schema), **values}, schema, place)
    try:
        # Through JSON, since only there does strict mode take an array for a tuple.
        found = model.model_validate_json(json.dumps(whole), strict=True)
    except ValidationError as error:
        refused = {fault["loc"][1] for fault in faults}
        faults += [
            fault
            for item in error.errors(include_url=False)
            if (fault := _fault(item, schema, place))["loc"][1] not in refused
        ]
    if faults:
        raise RequestValidationError(faults)
    return found


def with_arrays(
    model: type[AnalysisRequest], arrays: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a request that came as arrays and options. Raises as ``validated``."""
    for name in options:
        if name in model.array_names:
            raise invalid(name, "JSON", "an array of its own beside the options", place="body")
    try:
        return dict(model.of_arrays(arrays, dict(options)))
    except RequestError as error:
        raise invalid(error.field, error.value, error.bounds, place="body") from None


def _own_defaults(model: type[BaseModel], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults that the schema gives and the model does not."""
    return {
        name: schema["properties"][name]["default"]
        for name, field in model.model_fields.items()
        if schema["properties"].get(name, {}).get("default", field.default) != field.default
    }


def _looked_over(
    values: Mapping[str, Any], schema: Mapping[str, Any], place: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a model may see of the values, and the faults of the others.

    Raises ``RequestValidationError`` once there are more faults than an answer lists.
    """
    known = schema["properties"]
    left: dict[str, Any] = {}
    faults: list[dict[str, Any]] = []
    for name, value in values.items():
        if name not in known:
            message = "there is no such field; the fields are " + ", ".join(known)
            faults.append({"loc": (place, name), "input": value, "msg": message})
        elif found := first_faults(value, known[name], MOST_FAULTS + 1 - len(faults)):
            for each in found:
                message = f"{bounds_of(known[name])} ({each.reason})"
                location = (place, name, *each.path)
                faults.append({"loc": location, "input": each.value, "msg": message})
        else:
            left[name] = _whole(value, known[name])
        if len(faults) > MOST_FAULTS:
            raise RequestValidationError(faults)
    return left, faults


def _whole(value: object, schema: Mapping[str, Any]) -> object:
    is_integer = any(part.get("type") == "integer" for part in schema.get("anyOf", [schema]))
    if is_integer and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _fault(item: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> dict[str, Any]:
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, RequestError):
        return {"loc": (place, cause.field), "input": cause.value, "msg": cause.bounds}
    location = item["loc"] or ("body",)
    known = schema["properties"]
    field = str(location[0])
    value = item["input"]
    if item["type"] == "missing":
        value, message = None, f"it is required: {bounds_of(known[field])}"
    elif field in known:
        message = bounds_of(known[field])
        if len(location) > 1:
            message += f" ({item['msg'][0].lower()}{item['msg'][1:]})"
    else:
        message = f"{item['msg'][0].lower()}{item['msg'][1:]}"
    return {"loc": (place, *location), "input": value, "msg": message}


def bounds_of(schema: Mapping[str, Any]) -> str:
    """What a field accepts, in words: ``an integer from 1 to 64``."""
    choices = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    part = choices[0]
    if "enum" in part:
        return "one of " + ", ".join(str(choice) for choice in part["enum"])
    match part.get("type"):
        case "integer" | "number":
            return _range(part)
        case "array":
            text = f"an array of {_items(part)}"
            return f"{text}, at most {part['maxItems']}" if "maxItems" in part else text
        case "boolean":
            return "true or false"
        case "string" if "maxLength" in part:
            return f"a string of at most {part['maxLength']} characters"
        case "string":
            return "a string"
    return "an object"


def _range(part: Mapping[str, Any]) -> str:
    kind = "an integer" if part["type"] == "integer" else "a number"
    low, high = part.get("minimum"), part.get("maximum")
    if low is None or high is None:
        return kind
    return f"{kind} from {low:_} to {high:_}".replace("_", ",")


def _items(part: Mapping[str, Any]) -> str:
    item = part.get("items", {})
    kind = item.get("type", "object")
    return f"arrays of {_items(item)}" if kind == "array" else f"{kind}s"


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """The parameters of the query string. Raises ``RequestValidationError`` for too many."""
    count = request.scope["query_string"].count(b"&") + 1
    if count > MOST_PARAMETERS:
        bounds = f"at most {MOST_PARAMETERS} parameters"
        raise invalid("query", f"{count} parameters", bounds, place="query")
    return request.query_params.multi_items()


def query_model(
    pairs: Iterable[tuple[str, str]], model: type[Model], schema: Mapping[str, Any]
) -> Model:
    """The parameters of a query string as ``model``.

    Values are read as JSON where the field is not a string, so ``7`` is a number, ``true`` a
    boolean and ``[[1,0],[0,1]]`` a matrix. An array of strings or numbers may also be a list with
    commas.
    """
    texts = with_long_names(pairs, model, place="query")
    values = {
        field: _typed(text, schema["properties"].get(field, {})) for field, text in texts.items()
    }
    return validated(model, values, schema, place="query")


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    parts = schema.get("anyOf", [schema])
    if any(part.get("type") == "string" for part in parts):
        return text.encode("utf-8", "replace").decode("utf-8")
    is_list = any(part.get("items", {}).get("type") == "string" for part in parts)
    if is_list and not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",")]
    if any(part.get("items", {}).get("type") == "number" for part in parts):
        text = text if text.lstrip().startswith("[") else f"[{text}]"
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return text if value is None else value  # leaving a parameter out is how to give none
