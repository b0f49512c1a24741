"""Numbers beside a certificate: what it implies is compared from both sides, the rest is named."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from relu_landscape.engine.certificates import verify
from relu_landscape.engine.families import family_answer
from relu_landscape.wire.families import FamilyQuery
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import body, solve

Document = dict[str, Any]
Change = Callable[[Document], object]

SHAPES = [(6, 6, None), (3, 4, None), (5, 7, 7), (7, 6, None), (4, 4, 4), (1, 3, None)]


@cache
def _solved(students: int, teachers: int, dimension: int | None) -> str:
    given = {} if dimension is None else {"input_dimension": dimension}
    request = LandscapeRequest(
        student_width=students, teacher_width=teachers, starts=20, saddles=True, certify="fast",
        **given,
    )  # fmt: skip
    found = solve(request)
    landscape = {"request": request.model_dump(mode="json"), **body(found).model_dump(mode="json")}
    parts = {key: part.model_dump(mode="json") for key, part in found.parts.items()}
    return json.dumps({"landscape": landscape, "details": parts})


def _landscape(students: int = 6, teachers: int = 6, dimension: int | None = None) -> Document:
    result: Document = json.loads(_solved(students, teachers, dimension))
    return result


@cache
def _asked(width: int, structure: str) -> str:
    query = FamilyQuery(
        student_width=width, teacher_width=width, structure=structure, certify=True
    )  # fmt: skip
    return family_answer(query).model_dump_json()


def _family(width: int = 17, structure: str = "1+16") -> Document:
    result: Document = json.loads(_asked(width, structure))
    return result


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", ["whole", "without details", "points alone", "in full"])
def test_what_the_service_answers_holds(shape: tuple[int, int, int | None], form: str) -> None:
    document = _landscape(*shape)
    points = document["landscape"]["fixed_points"]
    if form == "without details":
        document = document["landscape"]
    elif form == "points alone":  # no request, so no input dimension
        document = {"points": points}
    elif form == "in full":
        document = {"points": [{**p, **document["details"][p["key"]]} for p in points]}
    answers = verify(document)
    assert len(answers) == len(points)
    for answer, point in zip(answers, points, strict=True):
        refused = point["certificate"]["verdict"] == "not certified"
        assert answer["holds"] is (None if refused else True), answer["reason"]
        named = {path.partition(".")[0] for path in answer["covers"] + answer["not_covered"]}
        assert set(point) - {"key"} - ({"certificate"} if refused else set()) <= named


def test_what_a_certificate_does_not_imply_is_named() -> None:
    (first, *_) = verify(_landscape())
    assert {"attraction", "found_by", "structure.isotropy", "structure.name"} <= set(
        first["not_covered"]
    )
    for path in (
        "certificate", "kind", "loss", "loss_accuracy", "is_global", "norms", "overlaps.R",
        "overlaps.Q", "stability.attractive", "stability.index", "stability.nullity",
        "stability.min_eigenvalue_span", "stability.min_eigenvalue_perpendicular",
        "stability.relaxation_time", "stability.spectrum", "structure.blocks",
        "structure.orbit_size", "structure.anti_aligned", "details.weights", "details.teacher",
        "details.eigenvalues_span", "details.eigenvalues_perpendicular",
        "details.perpendicular_copies",
    ):  # fmt: skip
        assert path in first["covers"], path


@pytest.mark.parametrize(
    ("width", "structure"), [(17, "1+16"), (12, "2+10"), (20, "8+12"), (10**6, "one-anti-aligned")]
)
def test_what_is_answered_about_a_family_holds(width: int, structure: str) -> None:
    (answer,) = verify(_family(width, structure))
    assert answer["reason"] is None
    assert {"loss", "is_global", "spectrum", "unknowns", "overlaps.R", "overlaps.Q",
            "stability.relaxation_time", "student_blocks"} <= set(answer["covers"])  # fmt: skip
    assert {"branches", "structure", "point"} <= set(answer["not_covered"])


def _minimum(document: Document) -> Document:
    """The spurious minimum of width six."""
    result: Document = next(
        point
        for point in document["landscape"]["fixed_points"]
        if point["certificate"]["spurious"] is True
    )
    return result


def _set(path: str, value: object) -> Change:
    def change(point: Document) -> None:
        place = point
        *inner, last = path.split(".")
        for name in inner:
            place = place[name]
        place[last] = value(place[last]) if callable(value) else value

    return change


def _line(name: str, value: Callable[[Any], Any], which: int = 0) -> Change:
    def change(point: Document) -> None:
        line = point["stability"]["spectrum"][which]
        line[name] = value(line[name])

    return change


def _entry(matrix: str, i: int, j: int, by: float) -> Change:
    def change(point: Document) -> None:
        point["overlaps"][matrix][i][j] += by

    return change


#: Each is a number that is better, or merely other, than the certificate beside it implies.
TAMPERED: dict[str, tuple[Change, str]] = {
    "a saddle": (_set("kind", "saddle"), "kind"),
    "a lower loss": (_set("loss", lambda x: x - 1e-13), "loss"),
    "a higher loss": (_set("loss", lambda x: x + 1e-13), "loss"),
    "a finer accuracy": (_set("loss_accuracy", 0.0), "loss"),
    "a coarser accuracy": (_set("loss_accuracy", 1.0), "loss_accuracy"),
    "global": (_set("is_global", True), "is_global"),
    "a continuum": (_set("continuum_dimension", 1), "continuum_dimension"),
    "not attractive": (_set("stability.attractive", False), "attractive"),
    "a higher eigenvalue": (_set("stability.min_eigenvalue_span", 0.5), "min_eigenvalue_span"),
    "a lower eigenvalue": (
        _set("stability.min_eigenvalue_span", lambda x: x - 1e-8),
        "min_eigenvalue_span",
    ),
    "a higher eigenvalue beyond": (
        _set("stability.min_eigenvalue_perpendicular", lambda x: x + 1e-8),
        "min_eigenvalue_perpendicular",
    ),
    "no eigenvalue beyond": (
        _set("stability.min_eigenvalue_perpendicular", None),
        "min_eigenvalue_perpendicular",
    ),
    "a nullity": (_set("stability.nullity", 1), "nullity"),
    "an index": (_set("stability.index", 1), "index"),
    "an index beyond": (_set("stability.index_perpendicular", 1), "index_perpendicular"),
    "a shorter time": (_set("stability.relaxation_time", lambda x: x / 2), "relaxation_time"),
    "a longer time": (_set("stability.relaxation_time", lambda x: x * 2), "relaxation_time"),
    "no time": (_set("stability.relaxation_time", None), "relaxation_time"),
    "another spectrum": (
        _set("stability.spectrum", [{"eigenvalue": 1.0, "multiplicity": 36, "space": "span"}]),
        "spectrum",
    ),
    "no spectrum": (_set("stability.spectrum", []), "spectrum"),
    "another line": (_line("eigenvalue", lambda x: x + 1e-8), "spectrum"),
    "another multiplicity": (_line("multiplicity", lambda x: x + 1), "spectrum"),
    "a line beyond": (_line("eigenvalue", lambda x: x + 1e-8, -1), "spectrum"),
    "another multiplicity beyond": (_line("multiplicity", lambda x: x + 1, -1), "spectrum"),
    "a line of nowhere": (_line("space", lambda _: "plane"), "spectrum"),
    "one copy": (_set("structure.orbit_size", 1), "orbit_size"),
    "twice the copies": (_set("structure.orbit_size", lambda x: 2 * int(x)), "orbit_size"),
    "copies in words": (_set("structure.orbit_size", "many"), "orbit_size"),
    "other blocks": (_set("structure.blocks", [6]), "blocks"),
    "aligned": (_set("structure.anti_aligned", 0), "anti_aligned"),
    "another overlap": (_entry("R", 0, 0, 1e-9), "overlaps.R"),
    "another overlap of students": (_entry("Q", 0, 1, 1e-9), "overlaps.Q"),
    "fewer overlaps": (_set("overlaps.R", lambda rows: rows[1:]), "overlaps.R"),
    "another length": (_set("norms", lambda x: [x[0] + 1e-9, *x[1:]]), "norms"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_member_of_a_point_is_named(name: str) -> None:
    change, member = TAMPERED[name]
    document = _landscape()
    point = _minimum(document)
    change(point)
    for part in (document, document["landscape"]):
        answer = next(each for each in verify(part) if each["key"] == point["key"])
        assert answer["holds"] is False
        assert member in answer["reason"]
        assert answer["covers"] == []
        assert "stability.spectrum" in answer["not_covered"]


DETAILS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "weights": (lambda x: [[x[0][0] * (1 + 2**-52), *x[0][1:]], *x[1:]], "weights"),
    "teacher": (lambda x: [row[::-1] for row in x], "teacher"),
    "eigenvalues_span": (lambda x: [x[0] + 1e-8, *x[1:]], "eigenvalues_span"),
    "eigenvalues_perpendicular": (lambda x: x[1:], "eigenvalues_perpendicular"),
    "perpendicular_copies": (lambda x: x + 1, "perpendicular_copies"),
}


@pytest.mark.parametrize("name", DETAILS)
def test_a_tampered_member_of_the_details_is_named(name: str) -> None:
    change, member = DETAILS[name]
    document = _landscape()
    key = _minimum(document)["key"]
    part = document["details"][key]
    part[name] = change(part[name])
    answer = next(each for each in verify(document) if each["key"] == key)
    assert answer["holds"] is False
    assert f"details.{member}" in answer["reason"] or member in answer["reason"]


#: What is no number, and would be read as if it had been proven.
WORDS: dict[str, tuple[str, object, str]] = {
    "another rule": ("spurious_rule", lambda rule: rule + ", whatever its loss", "spurious_rule"),
    "no rule": ("spurious_rule", None, "spurious_rule"),
    "a reason": ("reason", "every start ends here.", "reason"),
    "another point": ("structured_point", {"teacher_blocks": [6]}, "structured_point"),
    "an unknown member": ("probability", 0.5, "'probability'"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_certificate_holds_nothing_that_is_not_looked_at(name: str) -> None:
    """Beside the numbers that were proven such members passed, whatever they said."""
    member, value, named = WORDS[name]
    document = _landscape()
    point = _minimum(document)
    certificate = point["certificate"]
    certificate[member] = value(certificate[member]) if callable(value) else value
    answer = next(each for each in verify(document) if each["key"] == point["key"])
    assert answer["holds"] is False
    assert named in answer["reason"]


def test_a_family_is_not_proven_by_weights() -> None:
    """Of blocks: weights beside them would be anybody's."""
    document = _family()
    document["certificate"]["weights"] = [[1.0]]
    (answer,) = verify(document)
    assert answer["holds"] is False
    assert "weights" in answer["reason"]


@pytest.mark.parametrize(("accuracy", "covered"), [(None, True), (1e-18, True), (1e-30, False)])
def test_an_accuracy_is_implied_as_far_as_the_loss_is_known(
    accuracy: float | None, covered: bool
) -> None:
    """The loss of the teacher itself is proven to lie below 1e-22, and not to be zero."""
    document = _landscape()
    point = next(p for p in document["landscape"]["fixed_points"] if p["is_global"])
    high = float(point["certificate"]["loss"]["upper"])
    assert point["loss"] == 0.0
    assert 1e-30 < high < 1e-18
    if accuracy is not None:
        point["loss_accuracy"] = accuracy
    answer = next(each for each in verify(document) if each["key"] == point["key"])
    assert answer["holds"] is True
    assert ("loss_accuracy" in answer["covers"]) is covered
    assert ("loss_accuracy" in answer["not_covered"]) is not covered


def test_the_global_minimum_and_saddles_cannot_change_places() -> None:
    document = _landscape()
    for point in document["landscape"]["fixed_points"]:
        point["is_global"] = not point["is_global"]
    answers = verify(document)
    assert all(answer["holds"] is False for answer in answers)
    assert all("is_global" in answer["reason"] for answer in answers)


def _first(name: str, value: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def change(rows: list[Document]) -> list[Document]:
        changed = copy.deepcopy(rows)
        changed[0][name] = value(changed[0][name])
        return changed

    return change


def _corner(table: list[list[Document]]) -> list[list[Document]]:
    changed = copy.deepcopy(table)
    changed[-1][-1]["same"] += 1e-9
    return changed


FAMILY: dict[str, tuple[Change, str]] = {
    "a lower loss": (_set("loss", lambda x: x * (1 - 1e-12)), "loss"),
    "global": (_set("is_global", True), "is_global"),
    "a wider student": (_set("student_width", 18), "student_width"),
    "a higher eigenvalue": (_set("stability.min_eigenvalue_span", 0.5), "min_eigenvalue_span"),
    "not attractive": (_set("stability.attractive", False), "attractive"),
    "a nullity": (_set("stability.nullity_span", 3), "nullity_span"),
    "a longer time": (_set("stability.relaxation_time", lambda x: x * 1.01), "relaxation_time"),
    "another line": (_set("spectrum", _first("eigenvalue", lambda x: x + 1e-8)), "spectrum"),
    "another count": (_set("spectrum", _first("multiplicity", lambda x: x + 1)), "spectrum"),
    "another block": (_set("teacher_blocks", _first("size", lambda x: x + 1)), "teacher_blocks"),
    "another length": (_set("student_blocks", _first("norm", lambda x: x + 1e-9)), "student_"),
    "another unknown": (_set("unknowns", lambda x: [x[0] + 1e-9, *x[1:]]), "unknowns"),
    "another overlap": (_set("overlaps.R", _corner), "overlaps.R"),
    "another overlap of students": (_set("overlaps.Q", _corner), "overlaps.Q"),
    "none anti-aligned": (_set("anti_aligned", 0), "anti_aligned"),
}


@pytest.mark.parametrize("name", FAMILY)
def test_a_tampered_member_of_a_family_is_named(name: str) -> None:
    change, member = FAMILY[name]
    document = _family()
    change(document)
    (answer,) = verify(document)
    assert answer["holds"] is False
    assert member in answer["reason"]


@pytest.mark.parametrize("value", [None, "x", -1, [], {}, [[]], 10**400, True, [{"space": "span"}]])
def test_garbage_beside_a_certificate_does_not_raise(value: object) -> None:
    names = [path for path in verify(_landscape())[0]["covers"] if path != "certificate"]
    for path in names:
        if path.startswith("details."):
            continue
        document = _landscape()
        point = _minimum(document)
        _set(path, value)(point)
        answer = next(each for each in verify(document) if each["key"] == point["key"])
        if (path, value) == ("continuum_dimension", None) or (
            path == "stability.attractive" and value is True
        ):
            assert answer["holds"] is True
        else:
            assert answer["holds"] is False, path


def test_files_of_thousands_of_points_stay_fast() -> None:
    """Milliseconds of the processor for each: comparisons cost about what the proof does."""
    document = _landscape()
    points = document["landscape"]["fixed_points"]
    many = {"points": points * (200 // len(points) + 1)}
    before = time.process_time()
    answers = verify(many)
    assert time.process_time() - before < 0.1 * len(answers)
    assert all(answer["holds"] for answer in answers)
