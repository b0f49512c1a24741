"""The OpenAPI document against the running application: schemathesis finds nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection
from schemathesis.specs.openapi.schemas import OpenApiSchema

from relu_landscape.analyses import ANALYSES
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.trajectories import TrajectoryRequest
from tests.serving import Running

#: Examples per operation and mode: enough to meet every keyword of its schema, few enough for
#: a test that runs every time. The long suite tries some 20,000 in all; operations with few
#: parameters have fewer.
EXAMPLES = 1600 if os.environ.get("RELU_LANDSCAPE_LONG") == "1" else 25
#: Where the answer is that of landscapes from the same lines of code: only the words are others.
EXAMPLES_OF_THE_SAME = 1600 if os.environ.get("RELU_LANDSCAPE_LONG") == "1" else 8

OPERATIONS = [
    ("POST", "/v1/landscapes"),
    ("GET", "/v1/landscapes"),
    ("GET", "/v1/landscape"),
    ("GET", "/v1/landscapes/{id}"),
    ("DELETE", "/v1/landscapes/{id}"),
    ("GET", "/v1/landscapes/{id}/events"),
    ("GET", "/v1/landscapes/{id}/fixed-points"),
    ("GET", "/v1/landscapes/{id}/fixed-points/{key}"),
    ("GET", "/v1/trajectories/{id}/runs"),
    ("POST", "/v1/trajectories"),
    ("GET", "/v1/trajectories"),
    ("GET", "/v1/trajectories/{id}"),
    ("DELETE", "/v1/trajectories/{id}"),
    ("GET", "/v1/trajectories/{id}/events"),
    ("GET", "/v1/trajectories/{id}/runs/{key}"),
    ("POST", "/v1/frequencies"),
    ("GET", "/v1/frequencies"),
    ("GET", "/v1/frequencies/{id}"),
    ("DELETE", "/v1/frequencies/{id}"),
    ("GET", "/v1/frequencies/{id}/events"),
    ("POST", "/v1/descents"),
    ("GET", "/v1/descents"),
    ("GET", "/v1/descents/{id}"),
    ("DELETE", "/v1/descents/{id}"),
    ("GET", "/v1/descents/{id}/events"),
    ("POST", "/v1/perturbations"),
    ("GET", "/v1/perturbations"),
    ("GET", "/v1/perturbations/{id}"),
    ("DELETE", "/v1/perturbations/{id}"),
    ("GET", "/v1/perturbations/{id}/events"),
    ("POST", "/v1/points"),
    ("GET", "/v1/points"),
    ("GET", "/v1/points/{id}"),
    ("DELETE", "/v1/points/{id}"),
    ("GET", "/v1/points/{id}/events"),
    ("POST", "/v1/sweeps"),
    ("GET", "/v1/sweeps"),
    ("GET", "/v1/sweeps/{id}"),
    ("DELETE", "/v1/sweeps/{id}"),
    ("GET", "/v1/sweeps/{id}/events"),
    ("GET", "/v1/families"),
    ("GET", "/v1/families/continuation"),
    ("GET", "/v1/families/leaks"),
    ("GET", "/v1/learning-rates"),
    ("GET", "/v1/structures"),
    ("GET", "/v1/estimate"),
    ("GET", "/v1/atlas"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{id}"),
    ("PATCH", "/v1/jobs/{id}"),
    ("DELETE", "/v1/jobs/{id}"),
    ("PUT", "/v1/jobs/{id}/pin"),
    ("DELETE", "/v1/jobs/{id}/pin"),
    ("GET", "/ogc"),
    ("GET", "/ogc/conformance"),
    ("GET", "/ogc/processes"),
    ("GET", "/ogc/processes/{id}"),
    ("POST", "/ogc/processes/{id}/execution"),
    ("GET", "/ogc/jobs"),
    ("GET", "/ogc/jobs/{id}"),
    ("DELETE", "/ogc/jobs/{id}"),
    ("GET", "/ogc/jobs/{id}/results"),
    ("GET", "/v1/me"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/service-info"),
    ("GET", "/v1/schema.json"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def schema(common_server: Running) -> OpenApiSchema:
    """What the application says of itself, as the tool reads it."""
    return schemathesis.openapi.from_url(f"{common_server.url}/openapi.json")


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A connection that is kept: opening one takes as long as most answers."""
    with requests.Session() as opened:
        opened.trust_env = False  # nor is there a proxy to look for, before each of them
        yield opened


def test_the_list_is_complete(running: Running) -> None:
    paths = running.app.openapi()["paths"]
    assert {
        (method.upper(), path) for path, operations in paths.items() for method in operations
    } == set(OPERATIONS)
    assert set(OPERATIONS) >= OF_EVERY_KIND


#: Where jobs are listed.
LISTS = {f"/v1/{each.plural}" for each in ANALYSES.analyses} | {"/v1/jobs", "/ogc/jobs"}

#: Routes that every kind has, and that are made for all of them at once (``routers/analyses.py``):
#: all but the bodies, which are each kind's own. Landscapes stand for the others.
OF_EVERY_KIND = {
    (method, f"/v1/{each.plural}{rest}")
    for each in ANALYSES.analyses
    if each.plural != "landscapes"
    for method, rest in (
        ("GET", ""), ("GET", "/{id}"), ("DELETE", "/{id}"), ("GET", "/{id}/events"),
    )
}  # fmt: skip


def consistent(values: Any) -> None:
    """Take out what JSON schema cannot say.

    Fields of one request bound each other, and only a page of the list gives a cursor.
    """
    if isinstance(values, dict):
        values.pop("teacher_gram", None)
        values.pop("cursor", None)
        if "input_dimension" in values:
            values["input_dimension"] = max(values["input_dimension"], 64)
        if "init_scale" in values:  # in norms of the teacher, which is orthonormal then
            values["init_scale"] = min(max(values["init_scale"], 1e-3), 1e3)
        if IN_TRAJECTORIES & values.keys():
            consistent_trajectory(values)


#: Fields of trajectories that landscapes do not have.
IN_TRAJECTORIES = TrajectoryRequest.model_fields.keys() - LandscapeRequest.model_fields.keys()


def consistent_points(values: dict[str, Any]) -> None:
    """Points are given in one way, whose numbers fit together."""
    given = {"batch", "Q", "R", "teacher", "teacher_gram", "reduced", "second_layer"}
    for name in given | {"teacher_second_layer", "teacher_width", "input_dimension"}:
        values.pop(name, None)
    values["weights"] = [[0.9, 0.2], [0.1, 1.1]]


def consistent_frequencies(values: dict[str, Any]) -> None:
    """Learning rates are given in one way, and the effort is bounded."""
    for name in ("relative_learning_rates", "teacher_gram", "first_check", "checks"):
        values.pop(name, None)
    values["learning_rates"] = [0.5]
    for name, least, most in (
        ("student_width", 1, 24), ("teacher_width", 1, 24), ("starts", 1, 100),
        ("batch_size", 1, 4), ("input_dimension", 64, 1000), ("until", 2.0, 10.0),
        ("init_scale", 1e-3, 1e3),
    ):  # fmt: skip
        if name in values:
            values[name] = min(max(values[name], least), most)


def consistent_perturbations(values: dict[str, Any]) -> None:
    """The point is given in one way that fits the widths, sizes ascend, and the effort is small."""
    for name in ("weights", "branch", "certify"):
        values.pop(name, None)
    values |= {"structure": "global", "sizes": [0.1, 0.5], "student_width": 3, "teacher_width": 3}
    for name, least, most in (("kicks", 1, 20), ("input_dimension", 64, 1000)):
        if name in values:
            values[name] = min(max(values[name], least), most)


def consistent_descents(values: dict[str, Any]) -> None:
    """Fields of one rule, and little effort."""
    fields = (
        "step", "student_layer", "teacher_layer", "teacher_gram", "start_layer", "until",
        "structured",
    )  # fmt: skip
    for name in fields:
        values.pop(name, None)
    values["rule"] = "gradient_descent"
    for name, least, most in (
        ("student_width", 1, 24), ("teacher_width", 1, 24), ("starts", 1, 20),
        ("input_dimension", 64, 1000), ("init_scale", 1e-3, 1e3),
    ):  # fmt: skip
        if name in values:
            values[name] = min(max(values[name], least), most)


def consistent_rows(query: dict[str, Any]) -> None:
    """Columns are those of the table, which only the result knows."""
    for name, columns in (("where", "key=m1,kind=minimum"), ("sort", "-loss"), ("fields", "key")):
        if query.get(name) is not None:
            query[name] = columns


def consistent_list(query: dict[str, Any]) -> None:
    """Words are those that there are, days are of the calendar, and nobody is asked for twice."""
    for name, words in (
        ("kind", "landscape,sweep"), ("state", "finished"), ("fields", "id,request.seed"),
        ("since", "2026-01-31"), ("until", "2026-02-28T12:00Z"),
        ("processID", "landscape"), ("datetime", "2026-01-31/.."),
    ):  # fmt: skip
        if query.get(name) is not None:
            query[name] = words
    query.pop("mine", None)


def consistent_execution(values: dict[str, Any]) -> None:
    """Inputs are those of a process, which only its description names."""
    values["inputs"] = {"student_width": 2, "teacher_width": 2, "starts": 5}


def consistent_sweep(values: dict[str, Any]) -> None:
    """Each field has one source, the values of an axis differ, and cells are counted."""
    seeds = (values.get("grid") or {}).get("seed") or [0]
    starts = (values.get("base") or {}).get("starts", 5)
    values["grid"] = {"seed": list(dict.fromkeys(seeds))}
    values["base"] = {"student_width": 2, "teacher_width": 2, "starts": starts}


def consistent_trajectory(values: dict[str, Any]) -> None:
    """Only methods but the flow have a learning rate, starts are given in one way, the effort is
    bounded, and a rule is that of a flow."""
    rule = values.get("rule", "gradient_flow")
    for name in IN_TRAJECTORIES - {"method", "learning_rate", "until", "start", "attractors"}:
        values.pop(name, None)
    if values.get("method") == "flow" and rule != "gradient_flow":
        values |= {"rule": rule, "until": min(values.get("until", 1.0), 100.0)}
        values.pop("leak", None)
        for name in ("student_width", "teacher_width"):
            values[name] = min(values[name], 6)
    if values.get("method", "flow") == "flow":
        values.pop("learning_rate", None)
    else:
        values["learning_rate"] = max(values.get("learning_rate") or 1.0, 1e-2)
        values["student_width"] = min(values["student_width"], 24)
        values["teacher_width"] = min(values["teacher_width"], 24)
        values["until"] = min(values.get("until", 1.0), 10.0)


def fits(answer: schemathesis.Response, parameters: Mapping[str, Any]) -> bool:
    """Whether the query string that was sent is one that the schema allows, read as text."""
    query = urlsplit(str(answer.request.url)).query
    sent: list[tuple[str, str]] = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in sent]
    return len(set(names)) == len(names) and all(
        name in parameters
        and any(jsonschema.Draft202012Validator(parameters[name]).is_valid(each) for each in read)
        for name, text in sent
        for read in [readings(text)]
    )


def readings(text: str) -> list[Any]:
    """What a text in a query string can stand for."""
    try:
        return [text, text.split(","), json.loads(text)]
    except ValueError:
        return [text, text.split(",")]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_are_as_documented(
    running: Running,
    schema: OpenApiSchema,
    session: requests.Session,
    method: str,
    path: str,
    mode: GenerationMode,
    record_property: Callable[[str, object], None],
) -> None:
    known = session.get(f"{running.url}/v1/landscape?K=2&width=2").json()["id"]
    operation = schema[path][method]
    if (
        mode is GenerationMode.NEGATIVE
        and not any(operation.iter_parameters())
        and not operation.body
    ):
        return  # nothing to get wrong
    tried = 0
    parameters = {
        each["name"]: each.get("schema") or each["content"]["application/json"]["schema"]
        for each in schema.raw_schema["paths"][path][method.lower()].get("parameters", ())
        if each["in"] == "query"
    }

    is_the_same = (method, path) in OF_EVERY_KIND

    @settings(
        max_examples=EXAMPLES_OF_THE_SAME if is_the_same else EXAMPLES,
        derandomize=True,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def check(case: schemathesis.Case[Any], is_known: bool) -> None:
        if mode is GenerationMode.POSITIVE:
            if path == "/v1/points" and isinstance(case.body, dict):
                consistent_points(case.body)
            elif path == "/v1/frequencies" and isinstance(case.body, dict):
                consistent_frequencies(case.body)
            elif path == "/v1/perturbations" and isinstance(case.body, dict):
                consistent_perturbations(case.body)
            elif path == "/v1/descents" and isinstance(case.body, dict):
                consistent_descents(case.body)
            elif path == "/v1/sweeps" and isinstance(case.body, dict):
                consistent_sweep(case.body)
            elif path.endswith("/execution") and isinstance(case.body, dict):
                consistent_execution(case.body)
            else:
                consistent(case.body)
            consistent(case.query)
            if path.endswith(("/fixed-points", "/runs")) and case.query:
                consistent_rows(case.query)
            elif path in LISTS and case.query:
                consistent_list(case.query)
            if is_known and "id" in case.path_parameters:
                is_process = path.startswith("/ogc/processes/")
                case.path_parameters["id"] = "landscape" if is_process else known
        answer = case.call(session=session)
        # The tool knows neither 413 nor 431 among the ways to refuse, nor that text has no types: a
        # list of one number is written like the number. Everything else is checked for these too.
        is_refused = answer.status_code in (413, 431)
        not_wrong = is_refused or (method == "GET" and fits(answer, parameters))
        excluded: list[Any] = [negative_data_rejection] if not_wrong else []
        case.validate_response(answer, excluded_checks=excluded)
        nonlocal tried
        tried += 1

    check()
    record_property("cases", tried)
