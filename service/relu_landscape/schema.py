"""Every JSON shape that a service takes and gives, as one JSON schema document.

Made from the registry and the models of ``wire``, so that readers in other languages, and other
releases, can hold what they know against it. HTTP publishes it, and describes itself by the same
definitions.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias, cast, get_args

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue, models_json_schema

from relu_landscape import ALGORITHM, __version__
from relu_landscape.analyses import Analysis, Registry, ShortCall
from relu_landscape.wire.atlas import Atlas
from relu_landscape.wire.base import JsonObject, short_names
from relu_landscape.wire.identity import AuditPage, Me
from relu_landscape.wire.jobs import Progress, Readiness, State, StateEvent, WaitingEvent
from relu_landscape.wire.labels import LabelChange
from relu_landscape.wire.ogc import OgcExecute, OgcObject
from relu_landscape.wire.problem import Problem, StreamProblem
from relu_landscape.wire.rows import Rows, RowsPage
from relu_landscape.wire.service import Alive, ApiInfo

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEMPLATE = "#/$defs/{model}"

Model: TypeAlias = type[BaseModel]
_ASKED: Literal["validation"] = "validation"
_ANSWERED: Literal["serialization"] = "serialization"

#: What every service answers, whatever it computes.
_COMMON: tuple[Model, ...] = (
    StateEvent,
    WaitingEvent,
    Progress,
    StreamProblem,
    ApiInfo,
    Me,
    AuditPage,
    Readiness,
    Alive,
    Problem,
    Rows,
    RowsPage,
    Atlas,
    OgcObject,
)


def published(registry: Registry) -> JsonObject:
    """The document: analyses, short calls and what they have in common, by name.

    Every shape stands once under ``$defs``; everything else refers to it.
    """
    return {
        "$schema": DIALECT,
        "version": __version__,
        "algorithm": ALGORITHM,
        "analyses": {each.kind: _analysis(each) for each in registry.analyses},
        "calls": {each.name: _call(each) for each in registry.calls},
        "jobs": {
            "states": list(get_args(State)),
            "page": reference(registry.page),
            "events": {
                "state": reference(StateEvent),
                "waiting": reference(WaitingEvent),
                "progress": reference(Progress),
                "problem": reference(StreamProblem),
            },
        },
        "service": {
            "info": reference(ApiInfo),
            "me": reference(Me),
            "audit": reference(AuditPage),
            "readiness": reference(Readiness),
            "alive": reference(Alive),
        },
        "problem": reference(Problem),
        "rows": reference(Rows),
        "rows_page": reference(RowsPage),
        "label_change": reference(LabelChange),
        "atlas": reference(Atlas),
        "ogc": {"object": reference(OgcObject), "execute": reference(OgcExecute)},
        "$defs": cast("JsonObject", definitions(registry)),
    }


def reference(model: Model, template: str = TEMPLATE) -> JsonObject:
    """Where the schema of a model stands."""
    return {"$ref": template.format(model=model.__name__)}


def definitions(registry: Registry, template: str = TEMPLATE) -> dict[str, JsonSchemaValue]:
    """The schema of every model that the registry leads to, by the name of its class.

    ``template`` makes the references between them.
    """
    models = list(_models(registry))
    _, schemas = models_json_schema(models, ref_template="{model}")
    known: dict[str, JsonSchemaValue] = schemas["$defs"]
    # pydantic names a generic model by its arguments; its title is the name that we gave it.
    names = {name: str(schema.get("title", name)) for name, schema in known.items()}
    if len(set(names.values())) < len(names):
        doubles = sorted(name for name in known if names[name] != name)
        raise ValueError(f"Two models have one name; rename one of: {', '.join(doubles)}.")
    found = {names[name]: _renamed(schema, names, template) for name, schema in known.items()}
    for model, _ in models:
        found[model.__name__].setdefault("description", inspect.getdoc(model))
    for each in registry.analyses:
        kind = found[each.status.__name__]["properties"]["kind"]
        kind |= {"const": each.kind}  # what tells the kinds apart where several may be answered
    return dict(sorted(found.items()))


def _models(registry: Registry) -> Iterator[tuple[Model, JsonSchemaMode]]:
    for analysis in registry.analyses:
        yield analysis.request, _ASKED
        for answer in (analysis.status, analysis.page, analysis.findings, analysis.result):
            yield answer, _ANSWERED
        if analysis.parts is not None:
            yield analysis.parts.details, _ANSWERED
            yield analysis.parts.full, _ANSWERED
    for call in registry.calls:
        yield call.query, _ASKED
        yield call.result, _ANSWERED
    yield LabelChange, _ASKED
    yield OgcExecute, _ASKED
    for model in (registry.page, *_COMMON):
        yield model, _ANSWERED


def _renamed(schema: JsonSchemaValue, names: Mapping[str, str], template: str) -> JsonSchemaValue:
    """The schema with its references under the final names."""

    def walk(value: object) -> object:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, dict):
            return value
        if isinstance(name := value.get("$ref"), str):
            return {**value, "$ref": template.format(model=names[name])}
        return {key: walk(item) for key, item in value.items()}

    return cast("JsonSchemaValue", walk(schema))


def _analysis(analysis: Analysis) -> JsonObject:
    parts = analysis.parts
    return {
        "noun": analysis.noun,
        "plural": analysis.plural,
        "summary": analysis.summary,
        "has_short_form": analysis.has_short_form,
        "phases": list(analysis.phases),
        "short_names": cast("JsonObject", short_names(analysis.request)),
        "defaults": defaults(analysis.request),
        "request": reference(analysis.request),
        "status": reference(analysis.status),
        "page": reference(analysis.page),
        "finding": reference(analysis.finding),
        "findings": reference(analysis.findings),
        "result": reference(analysis.result),
        "parts": None
        if parts is None
        else {
            "path": parts.path,
            "collection": parts.collection,
            "noun": parts.noun,
            "details": reference(parts.details),
            "full": reference(parts.full),
        },
    }


def _call(call: ShortCall) -> JsonObject:
    return {
        "path": call.path,
        "summary": call.summary,
        "description": call.description,
        "short_names": cast("JsonObject", short_names(call.query)),
        "defaults": defaults(call.query),
        "query": reference(call.query),
        "result": reference(call.result),
    }


def defaults(model: Model) -> JsonObject:
    """The fields that may be left out, each with the value that it has then."""
    properties: Mapping[str, JsonObject] = model.model_json_schema()["properties"]
    return {name: schema["default"] for name, schema in properties.items() if "default" in schema}
