"""The OpenAPI document against the running application: schemathesis finds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from tests.serving import Running

#: Examples per operation and mode: enough to meet every keyword of its schema, few enough for
#: a test that runs every time. The long suite tries some 20,000 in all; operations with few
#: parameters have fewer.
EXAMPLES = 1600 if os.environ.get("RELU_LANDSCAPE_LONG") == "1" else 25

OPERATIONS = [
    ("POST", "/v1/landscapes"),
    ("GET", "/v1/landscapes"),
    ("GET", "/v1/landscape"),
    ("GET", "/v1/landscapes/{id}"),
    ("DELETE", "/v1/landscapes/{id}"),
    ("GET", "/v1/landscapes/{id}/events"),
    ("GET", "/v1/landscapes/{id}/fixed-points/{key}"),
    ("GET", "/v1/families"),
    ("GET", "/v1/families/continuation"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/service-info"),
    ("GET", "/v1/schema.json"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


def test_the_list_is_complete(running: Running) -> None:
    paths = running.app.openapi()["paths"]
    assert {
        (method.upper(), path) for path, operations in paths.items() for method in operations
    } == set(OPERATIONS)


def consistent(values: Any) -> None:
    """Take out what JSON schema cannot say.

    Fields of one request bound each other, and only a page of the list gives a cursor.
    """
    if isinstance(values, dict):
        values.pop("teacher_gram", None)
        values.pop("cursor", None)
        if "input_dimension" in values:
            values["input_dimension"] = max(values["input_dimension"], 64)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_are_as_documented(
    running: Running,
    method: str,
    path: str,
    mode: GenerationMode,
    record_property: Callable[[str, object], None],
) -> None:
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
    known = httpx.get(f"{running.url}/v1/landscape?K=2&width=2").json()["id"]
    operation = schema[path][method]
    if (
        mode is GenerationMode.NEGATIVE
        and not any(operation.iter_parameters())
        and not operation.body
    ):
        return  # nothing to get wrong
    tried = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def check(case: schemathesis.Case[Any], is_known: bool) -> None:
        if mode is GenerationMode.POSITIVE:
            consistent(case.body)
            consistent(case.query)
            if is_known and "id" in case.path_parameters:
                case.path_parameters["id"] = known
        case.call_and_validate()
        nonlocal tried
        tried += 1

    check()
    record_property("cases", tried)
