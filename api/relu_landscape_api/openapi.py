"""The interface in OpenAPI, from the same declarations that read the requests.

Routes say with these pieces what they take and give; ``build_openapi`` adds the shapes that they
refer to, which are those of the published schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from relu_landscape.analyses import Registry
from relu_landscape.schema import definitions
from relu_landscape.wire.problem import Problem
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape_api.answering.problems import MEDIA_TYPE
from relu_landscape_api.exposure import GUARDED
from relu_landscape_api.reading.fields import Schema, maxima_of, schema_of, with_maxima
from relu_landscape_api.reading.negotiation import JSON_TYPE, NPZ_TYPE
from relu_landscape_api.settings import ApiSettings

#: What FastAPI takes as ``responses`` of a route.
Responses: TypeAlias = dict[int | str, dict[str, Any]]
#: What FastAPI adds to the description of a route as it is.
Extra: TypeAlias = dict[str, Any]

_TEMPLATE = "#/components/schemas/{model}"

_DESCRIPTIONS = {
    400: "not JSON",
    401: "a key is needed: none came, or it is unknown, expired or revoked",
    403: "a key that does not allow this, a page of another origin, or a name that is not this "
    "service's",
    404: "no such job, or no such part of its result",
    405: "another method",
    406: "none of the media types in Accept can be made",
    408: "the body did not arrive in time",
    409: "the job failed or was cancelled, so there is no result",
    413: "the body is too large",
    415: "the body is not declared as JSON in UTF-8",
    422: "a field is missing, unknown or out of its bounds; `errors` names each",
    429: "too many requests with this key, or from this address",
    431: "the line and headers of the request are too long",
    500: "unexpected error; the log has the details under the request id",
    503: "too much work is waiting, or the store or pool does not answer",
}

PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: wait up to N seconds, 60 at the most (RFC 7240)",
    "schema": {"type": "string"},  # what cannot be understood is ignored, as the standard says
    "example": "wait=10",
}


def shape(*models: type[BaseModel]) -> Schema:
    """The schema of an answer that is one of these."""
    references = [{"$ref": _TEMPLATE.format(model=model.__name__)} for model in models]
    return references[0] if len(references) == 1 else {"anyOf": references}


def answer_docs(
    status: int, description: str, *models: type[BaseModel], headers: tuple[str, ...] = ()
) -> Responses:
    """A JSON answer that is one of these models, with these headers."""
    docs: dict[str, Any] = {
        "description": description,
        "content": {JSON_TYPE: {"schema": shape(*models)}},
    }
    if headers:
        docs["headers"] = {
            name: {"schema": {"type": "string"}, "required": True} for name in headers
        }
    return {status: docs}


def problem_docs(*statuses: int) -> Responses:
    """These errors and those that every call under /v1 has."""
    return plain_docs(*statuses, 401, 403, 429, 431, 500, 503)


def plain_docs(*statuses: int) -> Responses:
    """These errors alone, as outside /v1."""
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": shape(Problem)}},
        }
        for status in sorted(set(statuses))
    }


def body_docs(model: type[BaseModel]) -> Extra:
    """A JSON body of this model, or in words one of arrays where it has names for them."""
    content: dict[str, Any] = {"schema": shape(model)}
    examples = schema_of(model).get("examples")
    if examples:
        content["example"] = examples[0]
    docs: dict[str, Any] = {"required": True, "content": {JSON_TYPE: content}}
    if issubclass(model, AnalysisRequest) and model.array_names:
        # Its schema could only say "bytes", which no tool could make a request of.
        docs["description"] = (
            f"Or, as {NPZ_TYPE}, a NumPy archive of the arrays {', '.join(model.array_names)}, and "
            "options: the other fields as JSON text."
        )
    return {"requestBody": docs}


def query_docs(schema: Schema) -> list[dict[str, Any]]:
    """Query parameters for the fields of a flat model; long names."""
    whole: Mapping[str, Any] = next(iter(schema.get("examples", ())), {})
    required = schema.get("required", ())
    return [
        _parameter(name, part, name in required, whole)
        for name, part in schema["properties"].items()
    ]


def _parameter(
    name: str, part: Schema, is_required: bool, whole: Mapping[str, Any]
) -> dict[str, Any]:
    apart = ("description", "examples")
    schema = _not_null({key: item for key, item in part.items() if key not in apart})
    parameter = {
        "name": name,
        "in": "query",
        "required": is_required,
        "description": part.get("description", ""),
    }
    examples = [whole[name]] if name in whole else part.get("examples", [])
    example = {"example": examples[0]} if examples else {}
    if schema.get("type") == "array":
        return {**parameter, "content": {JSON_TYPE: {"schema": schema, **example}}}
    return {**parameter, "schema": schema, **example}


def _not_null(schema: Schema) -> Schema:
    """A parameter can be left out, but ``null`` is no value of one."""
    parts = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    if len(parts) != 1:
        return schema
    rest = {key: item for key, item in schema.items() if key not in ("anyOf", "default")}
    return {**rest, **parts[0]}


def build_openapi(app: FastAPI, settings: ApiSettings, registry: Registry) -> dict[str, Any]:
    """FastAPI's description of the routes, and the shapes that they refer to."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        license_info=app.license_info,
        routes=app.routes,
    )
    schemas = definitions(registry, _TEMPLATE)
    for analysis in registry.analyses:
        name = analysis.request.__name__
        schemas[name] = with_maxima(schemas[name], maxima_of(analysis.request, settings))
    components: dict[str, Any] = {"schemas": schemas}
    document["components"] = components
    for item in document["paths"].values():
        for operation in item.values():
            _own_words(operation)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    # Keys can be made while the service runs: until then nobody needs one.
    security: list[dict[str, list[str]]] = [{"key": []}]
    if settings.api_key is None:
        security.append({})
    for path, item in document["paths"].items():
        if path.startswith(GUARDED):
            for operation in item.values():
                operation["security"] = security
    return document


def _own_words(operation: dict[str, Any]) -> None:
    """Take out what FastAPI supposes of every route and what holds of none."""
    for status, response in list(operation["responses"].items()):
        content = response.get("content", {})
        if status == "422" and MEDIA_TYPE not in content:
            del operation["responses"][status]
        elif content.get(JSON_TYPE) == {"schema": {}}:
            del content[JSON_TYPE]
    for parameter in operation.get("parameters", ()):
        if "schema" in parameter:
            parameter["schema"] = _not_null(parameter["schema"])
