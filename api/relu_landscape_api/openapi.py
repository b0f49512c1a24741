"""The interface in OpenAPI, from the same declarations that check the requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_api.answering.problems import Problem
from relu_landscape_api.reading.fields import long_names, schema_of
from relu_landscape_api.routers.families import ContinuationQuery, FamilyQuery
from relu_landscape_api.routers.landscapes import ListQuery, WaitQuery, request_limits

_REF = "#/components/schemas/{model}"


def build_openapi(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """FastAPI's description plus what the routes read by themselves: bodies, queries, problems."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template=_REF)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    request = schema_of(LandscapeRequest, request_limits(settings))
    schemas["LandscapeRequest"] = _with_short_names(request, LandscapeRequest)
    paths = document["paths"]
    paths["/v1/landscapes"]["post"]["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": _REF.format(model="LandscapeRequest")}}
        },
    }
    paths["/v1/landscapes"]["post"]["parameters"] = [_PREFER]
    paths["/v1/landscapes/{id}"]["get"].setdefault("parameters", []).append(_PREFER)
    paths["/v1/landscape"]["get"]["parameters"] = _parameters(request) + _parameters(
        schema_of(WaitQuery)
    )
    paths["/v1/landscapes"]["get"]["parameters"] = _parameters(schema_of(ListQuery))
    paths["/v1/families"]["get"]["parameters"] = _parameters(schema_of(FamilyQuery))
    paths["/v1/families/continuation"]["get"]["parameters"] = _parameters(
        schema_of(ContinuationQuery)
    )
    for operation in (operation for item in paths.values() for operation in item.values()):
        operation["parameters"] = [_without_null(part) for part in operation.get("parameters", ())]
    if settings.api_key is not None:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, operations in paths.items():
            if path.startswith("/v1/"):
                for operation in operations.values():
                    operation["security"] = [{"key": []}]
    return document


_PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: wait up to N seconds, 60 at the most (RFC 7240)",
    "schema": {"type": "string"},  # what cannot be understood is ignored, as the standard says
    "example": "wait=10",
}


def _with_short_names(schema: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The schema with the short names beside the long ones, one of the two at a time."""
    properties = dict(schema["properties"])
    required = list(schema["required"])
    choices = []
    for short, long in long_names(model).items():
        if short != long:
            properties[short] = {**properties[long], "description": f"short form of {long}"}
            required.remove(long)
            choices.append({"oneOf": [{"required": [long]}, {"required": [short]}]})
    rest = {"required": required} if required else {}
    without = {name: part for name, part in schema.items() if name != "required"}
    return {**without, "properties": properties, **rest, "allOf": choices}


def _parameters(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Query parameters for the fields of a flat model; long names."""
    return [
        _parameter(name, part, name in schema.get("required", ()))
        for name, part in schema["properties"].items()
    ]


def _parameter(name: str, part: Mapping[str, Any], is_required: bool) -> dict[str, Any]:
    schema = _not_null({key: item for key, item in part.items() if key != "description"})
    parameter = {
        "name": name,
        "in": "query",
        "required": is_required,
        "description": part.get("description", ""),
    }
    if schema.get("type") == "array":
        return {**parameter, "content": {"application/json": {"schema": schema}}}
    return {**parameter, "schema": schema}


def _without_null(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter can be left out, but ``null`` is no value of one."""
    if "schema" not in parameter:
        return parameter
    return {**parameter, "schema": _not_null(parameter["schema"])}


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    parts = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    if len(parts) != 1:
        return dict(schema)
    rest = {key: item for key, item in schema.items() if key not in ("anyOf", "default")}
    return {**rest, **parts[0]}
