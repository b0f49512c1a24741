"""What the schemas of OGC API - Processes, Part 1: Core 1.0 demand, written down from the standard.

OGC 18-062r2; its files statusInfo.yaml, processSummary.yaml, process.yaml, inputDescription.yaml,
outputDescription.yaml, schema.yaml, jobList.yaml, processList.yaml, landingPage.yaml,
confClasses.yaml, results.yaml and exception.yaml at schemas.opengis.net/ogcapi/processes/part1/1.0.
"""

from __future__ import annotations

from typing import Any

import jsonschema


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


_TEXT, _MOMENT = {"type": "string"}, {"type": "string", "format": "date-time"}
_COUNT, _FLAG = {"type": "integer", "minimum": 0}, {"type": "boolean"}
_SUMMARY = {
    "id": _TEXT, "version": _TEXT, "title": _TEXT, "description": _TEXT,
    "jobControlOptions": {
        "type": "array", "items": {"enum": ["sync-execute", "async-execute", "dismiss"]},
    },
    "outputTransmission": {"type": "array", "items": {"enum": ["value", "reference"]}},
    "links": _list("link"),
}  # fmt: skip
#: A schema object of OpenAPI 3.0: bounds are flags beside numbers, and there is no type "null".
_SCHEMA = {
    "title": _TEXT, "description": _TEXT, "format": _TEXT, "pattern": _TEXT,
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
    "minimum": {"type": "number"}, "exclusiveMinimum": _FLAG,
    "maximum": {"type": "number"}, "exclusiveMaximum": _FLAG,
    "minLength": _COUNT, "maxLength": _COUNT, "minItems": _COUNT, "maxItems": _COUNT,
    "minProperties": _COUNT, "maxProperties": _COUNT, "uniqueItems": _FLAG,
    "required": {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True},
    "enum": {"type": "array", "minItems": 1},
    "type": {"enum": ["array", "boolean", "integer", "number", "object", "string"]},
    "not": _ref("schema"), "allOf": _list("schema"), "oneOf": _list("schema"),
    "anyOf": _list("schema"), "items": _ref("schema"),
    "properties": {"type": "object", "additionalProperties": _ref("schema")},
    "additionalProperties": {"anyOf": [_ref("schema"), _FLAG]},
    "default": {}, "example": {}, "nullable": _FLAG, "readOnly": _FLAG, "writeOnly": _FLAG,
    "deprecated": _FLAG, "contentMediaType": _TEXT, "contentEncoding": _TEXT,
}  # fmt: skip
_DEFS: dict[str, Any] = {
    "link": {
        "type": "object", "required": ["href"],
        "properties": {"href": {"type": "string", "format": "uri"}, "rel": _TEXT, "type": _TEXT},
    },
    "schema": {"oneOf": [
        {"type": "object", "required": ["$ref"], "properties": {"$ref": _TEXT}},
        {"type": "object", "properties": _SCHEMA, "additionalProperties": False},
    ]},
    "landingPage": {
        "type": "object", "required": ["links"],
        "properties": {"title": _TEXT, "description": _TEXT, "links": _list("link")},
    },
    "confClasses": {
        "type": "object", "required": ["conformsTo"],
        "properties": {"conformsTo": {"type": "array", "items": _TEXT}},
    },
    "processSummary": {"type": "object", "required": ["id", "version"], "properties": _SUMMARY},
    "processList": {
        "type": "object", "required": ["processes", "links"],
        "properties": {"processes": _list("processSummary"), "links": _list("link")},
    },
    "inputDescription": {
        "type": "object", "required": ["schema"],
        "properties": {
            "title": _TEXT, "description": _TEXT, "schema": _ref("schema"),
            "minOccurs": {"type": "integer"},
            "maxOccurs": {"anyOf": [{"type": "integer"}, {"const": "unbounded"}]},
        },
    },
    "outputDescription": {
        "type": "object", "required": ["schema"],
        "properties": {"title": _TEXT, "description": _TEXT, "schema": _ref("schema")},
    },
    "process": {
        "type": "object", "required": ["id", "version"],
        "properties": _SUMMARY | {
            "inputs": {"type": "object", "additionalProperties": _ref("inputDescription")},
            "outputs": {"type": "object", "additionalProperties": _ref("outputDescription")},
        },
    },
    "statusInfo": {
        "type": "object", "required": ["jobID", "status", "type"],
        "properties": {
            "processID": _TEXT, "jobID": _TEXT, "type": {"enum": ["process"]},
            "status": {"enum": ["accepted", "running", "successful", "failed", "dismissed"]},
            "message": _TEXT, "created": _MOMENT, "started": _MOMENT, "finished": _MOMENT,
            "updated": _MOMENT, "progress": {"type": "integer", "minimum": 0, "maximum": 100},
            "links": _list("link"),
        },
    },
    "jobList": {
        "type": "object", "required": ["jobs", "links"],
        "properties": {"jobs": _list("statusInfo"), "links": _list("link")},
    },
    # An output that is an object stands in an envelope (inlineOrRefData.yaml).
    "results": {
        "type": "object",
        "additionalProperties": {
            "type": "object", "required": ["value"],
            "properties": {"mediaType": _TEXT, "encoding": _TEXT, "value": {}},
        },
    },
    "exception": {
        "type": "object", "required": ["type"],
        "properties": {
            "type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT,
            "instance": _TEXT,
        },
    },
}  # fmt: skip


def check(name: str, answer: Any) -> None:
    """Raise ``jsonschema.ValidationError`` unless the answer is one of this name."""
    schema = {"$defs": _DEFS, **_ref(name)}
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=formats).validate(answer)
