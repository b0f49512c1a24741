"""What page, client and command line say of the service's JSON, against the schema that it
publishes: nobody keeps a list of names that could grow old unseen."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from typing import Any, get_args, get_type_hints

import pytest
import typer

import relu_landscape_client
from relu_landscape.analyses import ANALYSES
from relu_landscape.schema import published
from relu_landscape_cli.main import app
from relu_landscape_client import AsyncClient, Client
from relu_landscape_client._decode import members
from relu_landscape_client._options import (
    DescentsOptions,
    FrequenciesOptions,
    Options,
    PerturbationsOptions,
    PointsOptions,
    Rule,
    TrajectoryOptions,
)
from relu_landscape_client.status import FINAL, LANDSCAPE
from tests.page.contract import CONTRACT

SCHEMA: dict[str, Any] = dict(published(ANALYSES))
SHAPES: dict[str, Any] = SCHEMA["$defs"]
REQUEST = SHAPES["LandscapeRequest"]
ANALYSIS = SCHEMA["analyses"][LANDSCAPE]


def words(shape: str, member: str) -> list[str]:
    """The words that a member of a shape, or each of its entries, can be."""
    schema = SHAPES[shape]["properties"][member]
    found: list[str] = schema.get("items", schema)["enum"]
    return found


def fields_of(shape: str) -> set[str]:
    return set(SHAPES[shape]["properties"])


# ---- the page: explorer/js/contract.js ----


@pytest.mark.parametrize(
    ("list_of_words", "wanted"),
    [
        ("phases", ANALYSIS["phases"]),
        ("states", SCHEMA["jobs"]["states"]),
        ("kinds", words("FixedPoint", "kind")),
        ("findings", words("LandscapeFinding", "kind")),
        ("found_by", words("FixedPoint", "found_by")),
        ("relations", words("Pathway", "relation")),
        ("spaces", words("Eigenvalue", "space")),
        ("proofs", words("LandscapeRequest", "certify")),
        ("precisions", words("LandscapeRequest", "precision")),
    ],
)
def test_page_has_words_for_every_name(list_of_words: str, wanted: list[str]) -> None:
    assert list(CONTRACT[list_of_words]) == wanted
    assert all(CONTRACT[list_of_words].values())


def test_page_asks_for_every_field_of_a_request() -> None:
    assert {*CONTRACT["request"], *CONTRACT["unasked"]} == fields_of("LandscapeRequest")
    assert CONTRACT["required"] == REQUEST["required"]


@pytest.mark.parametrize("name", CONTRACT["request"])
def test_pages_form_has_the_defaults_and_bounds_of_a_request(name: str) -> None:
    field, schema = CONTRACT["request"][name], REQUEST["properties"][name]
    if name in CONTRACT["required"]:
        # The service has no opinion; the page opens with some width that is allowed.
        assert schema["minimum"] <= field["default"] <= schema["maximum"]
    else:
        assert field["default"] == ANALYSIS["defaults"][name]
    assert field.get("minimum") == schema.get("minimum")
    assert field.get("maximum") == schema.get("maximum")
    if "minimum" in field:
        assert field["whole"] is (schema["type"] == "integer")


@pytest.mark.parametrize("name", CONTRACT["continuation"])
def test_page_follows_families_within_the_bounds_of_a_query(name: str) -> None:
    schema = SHAPES["ContinuationQuery"]["properties"][name]
    assert CONTRACT["continuation"][name] == {
        "minimum": schema["minimum"],
        "maximum": schema["maximum"],
    }


# ---- the Python client ----

#: Classes that have a shorter name than the shape they hold.
SHORTER = {
    "Change": "StabilityChange",
    "Event": "BranchEvent",
    "Details": "FixedPointDetails",
    "Finding": "LandscapeFinding",
    "RunSummary": "Run",
    "TrajectoryRun": "RunInFull",
    "Status": "LandscapeStatus",
}
#: Bases of others, what holds a list of the schema as columns, and what the client makes itself.
NO_SHAPE = {"SpectralSummary", "Spectrum", "ComparedPoint", "Comparison"}


def result_classes() -> list[type[Any]]:
    """Every public dataclass of the client that holds something of an answer."""
    found = []
    for module in pkgutil.iter_modules(relu_landscape_client.__path__):
        if module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"relu_landscape_client.{module.name}")
        found += [
            each
            for each in vars(loaded).values()
            if inspect.isclass(each)
            and dataclasses.is_dataclass(each)
            and each.__module__ == loaded.__name__
            and each.__name__ not in NO_SHAPE
        ]
    return found


@pytest.mark.parametrize("kind", result_classes(), ids=lambda kind: kind.__name__)
def test_client_holds_every_member_of_an_answer(kind: type[Any]) -> None:
    shape = SHORTER.get(kind.__name__, kind.__name__)
    assert set(members(kind)) == fields_of(shape)


def options_of(method: Any) -> set[str]:
    """Fields of a request that a method of the client takes."""
    parameters = set(inspect.signature(method).parameters)
    return (parameters & set(REQUEST["required"])) | set(get_type_hints(Options))


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_client_asks_for_every_field_of_a_request(client: type[Any]) -> None:
    for method in (client.landscape, client.submit):
        assert options_of(method) == fields_of("LandscapeRequest")


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("call", sorted(SCHEMA["calls"]))
def test_client_asks_for_every_field_of_a_short_call(client: type[Any], call: str) -> None:
    method = getattr(client, call)
    parameters = dict(inspect.signature(method).parameters)
    del parameters["self"]
    query = SCHEMA["calls"][call]["query"]["$ref"].rpartition("/")[2]
    if "options" in parameters:  # what may be left out has the server's defaults
        assert options_of(method) == fields_of(query)
        return
    assert set(parameters) == fields_of(query)
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    assert defaults == SCHEMA["calls"][call]["defaults"]


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_client_asks_for_every_field_of_a_trajectory(client: type[Any]) -> None:
    parameters = set(inspect.signature(client.trajectory).parameters)
    required = set(SHAPES["TrajectoryRequest"]["required"])
    asked = (parameters & required) | set(get_type_hints(TrajectoryOptions))
    assert asked == fields_of("TrajectoryRequest")
    for name in ("method", "rule", "spacing", "overlaps_at"):
        known = get_type_hints(TrajectoryOptions)[name]
        assert list(get_args(known)) == words("TrajectoryRequest", name)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_client_asks_for_every_field_of_frequencies(client: type[Any]) -> None:
    parameters = set(inspect.signature(client.frequencies).parameters)
    required = set(SHAPES["FrequenciesRequest"]["required"])
    asked = (parameters & required) | set(get_type_hints(FrequenciesOptions))
    assert asked == fields_of("FrequenciesRequest")


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_client_asks_for_every_field_of_perturbations(client: type[Any]) -> None:
    parameters = set(inspect.signature(client.perturbations).parameters)
    required = set(SHAPES["PerturbationsRequest"]["required"])
    options = get_type_hints(PerturbationsOptions)
    assert (parameters & required) | set(options) == fields_of("PerturbationsRequest")
    assert list(get_args(options["certify"])) == words("PerturbationsRequest", "certify")


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_client_asks_for_every_field_of_descents(client: type[Any]) -> None:
    parameters = set(inspect.signature(client.descents).parameters)
    required = set(SHAPES["DescentsRequest"]["required"])
    assert (parameters & required) | set(get_type_hints(DescentsOptions)) == fields_of(
        "DescentsRequest"
    )
    assert list(get_args(Rule)) == words("DescentsRequest", "rule")


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_client_asks_for_every_field_of_points(client: type[Any]) -> None:
    parameters = set(inspect.signature(client.locate).parameters)
    asked = (parameters & {"weights", "teacher"}) | set(get_type_hints(PointsOptions))
    # A batch is an array of three dimensions there, and nobody writes the reduced form by hand.
    assert asked == fields_of("PointsRequest") - {"batch", "reduced"}
    known = get_type_hints(PointsOptions)["certify"]
    assert list(get_args(known)) == words("PointsRequest", "certify")


def test_client_knows_the_proofs_the_precisions_and_the_states() -> None:
    proofs = get_type_hints(Options)["certify"]
    assert list(get_args(proofs)) == words("LandscapeRequest", "certify")
    precisions = get_type_hints(Options)["precision"]
    assert list(get_args(precisions)) == words("LandscapeRequest", "precision")
    assert set(SCHEMA["jobs"]["states"]) > FINAL


# ---- the command line ----

#: What is no field of a request: where to ask, how to compute here, what to do with the answer.
OWN = {
    "server", "api_key", "workers", "backend", "kernel", "timeout", "output", "quiet", "as_json",
}  # fmt: skip
#: Options that are repeated, or read better otherwise, and the field that each gives.
RENAMED = {"structure": "structures"}
#: A matrix is for scripts.
NO_OPTION = {"teacher_gram"}


def parameters_of(command: str) -> dict[str, Any]:
    """The command's arguments and options for the service, by name."""
    group: Any = typer.main.get_command(app)
    return {each.name: each for each in group.commands[command].params if each.name not in OWN}


def test_trajectory_has_an_option_for_every_field_of_a_request() -> None:
    """But for matrices, and for what a table does not show."""
    left_out = {"teacher_gram", "weights", "Q", "R", "overlaps_at", "spacing"}
    options = parameters_of("trajectory")
    assert set(options) == fields_of("TrajectoryRequest") - left_out
    assert list(options["rule"].type.choices) == words("TrajectoryRequest", "rule")


def test_frequencies_has_an_option_for_every_field_of_a_request() -> None:
    """Each learning rate is an option of its own, and a matrix is for scripts."""
    repeated = {"learning_rate", "relative_learning_rate"}
    options = {f"{name}s" if name in repeated else name for name in parameters_of("frequencies")}
    assert options == fields_of("FrequenciesRequest") - {"teacher_gram"}


def test_perturb_has_an_option_for_every_field_of_a_request() -> None:
    """Each size is an option of its own, and a matrix is for scripts."""
    options = {"sizes" if name == "size" else name for name in parameters_of("perturb")}
    assert options == fields_of("PerturbationsRequest") - {"weights"}


def test_descents_has_an_option_for_every_field_of_a_request() -> None:
    options = parameters_of("descents")
    assert set(options) == fields_of("DescentsRequest")
    assert list(options["rule"].type.choices) == words("DescentsRequest", "rule")


def test_locate_has_an_option_for_every_field_of_a_request() -> None:
    """But for arrays, which are in its file."""
    layers = {"second_layer", "teacher_second_layer"}
    arrays = {"weights", "batch", "Q", "R", "teacher", "teacher_gram", "reduced", *layers}
    options = parameters_of("locate")
    assert set(options) - {"file"} == fields_of("PointsRequest") - arrays
    assert list(options["certify"].type.choices) == words("PointsRequest", "certify")


def test_solve_has_an_option_for_every_field_of_a_request() -> None:
    options = parameters_of("solve")
    asked = {RENAMED.get(name, name) for name in options}
    assert asked == fields_of("LandscapeRequest") - NO_OPTION
    # What is left out takes the service's own default.
    assert all(option.default is None for option in options.values())
    arguments = [name for name, option in options.items() if option.param_type_name == "argument"]
    assert arguments == REQUEST["required"]
    for name in ("certify", "precision"):
        assert list(options[name].type.choices) == words("LandscapeRequest", name)


def test_families_has_an_option_for_every_field_of_both_queries() -> None:
    options = parameters_of("families")
    # The width of the teacher is also the one from which a family is followed.
    follows = {"teacher_width": "from_width", "to": "to_width"}
    continued = {follows.get(name, name) for name in options} - {"student_width", "certify"}
    assert continued == fields_of("ContinuationQuery")
    assert set(options) - {"to", "points", "around_folds"} == fields_of("FamilyQuery")
    defaults = SCHEMA["calls"]["family"]["defaults"] | SCHEMA["calls"]["continuation"]["defaults"]
    assert {name: options[name].default for name in defaults} == defaults
    schema = SHAPES["ContinuationQuery"]["properties"]["points"]
    assert options["points"].type.min == schema["minimum"]
