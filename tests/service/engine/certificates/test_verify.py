"""Re-checking from JSON: true certificates hold, forged ones do not, and nothing raises."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.certificates import certify, verify
from relu_landscape.engine.certificates.balls import precision
from relu_landscape.engine.certificates.beside import counts_copies
from relu_landscape.engine.certificates.claims import NO_LOSS_INTERVAL, examine
from relu_landscape.engine.certificates.dense import evaluate
from relu_landscape.engine.certificates.document import read_claims, statement
from relu_landscape.engine.certificates.spectrum import Spectrum
from relu_landscape.errors import InputError
from tests.service.engine.certificates.made import KINDS, Certificate, make


def _holds(document: Any, **options: Any) -> Any:
    (answer,) = verify(document, **options)
    assert (answer["reason"] is None) == (answer["holds"] is True)
    return answer["holds"]


@pytest.mark.parametrize("kind", KINDS)
def test_untouched_certificates_hold(kind: str) -> None:
    assert _holds(make(kind)) is True
    assert _holds(make(kind), strict=True) is True


def test_certificate_holds_in_a_fresh_process() -> None:
    """Only the JSON crosses over, and another process reads it with its own flint and BLAS."""
    program = (
        "import json, sys\n"
        "from relu_landscape.engine.certificates import verify\n"
        "print(json.dumps(verify(json.load(sys.stdin))))"
    )
    certificates = [make(kind) for kind in KINDS]
    forged = make("fast")
    forged["weights"][0][0] += 1e-6
    run = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps({"points": [*certificates, forged]}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    answers = json.loads(run.stdout)
    assert [answer["holds"] for answer in answers] == [True] * len(KINDS) + [False]
    assert answers[0]["key"] == "points[0]"


def _scale(name: str, factor: float) -> Callable[[Certificate], None]:
    def change(certificate: Certificate) -> None:
        certificate[name] *= factor

    return change


def _stored(space: str, name: str, value: Callable[[Any], Any]) -> Callable[[Certificate], None]:
    def change(certificate: Certificate) -> None:
        part = certificate["stored_point"][space]
        part[name] = value(part[name])
        if name == "index":
            certificate["index_span" if space == "span" else "index_perpendicular"] = part[name]

    return change


def _loss(end: str, value: str) -> Callable[[Certificate], None]:
    def change(certificate: Certificate) -> None:
        certificate["loss"][end] = value

    return change


def _weak_beyond(certificate: Certificate) -> None:
    """A true but weak bound for A, too weak to carry the stated attribution radius."""
    certificate["stored_point"]["perpendicular"].update(gap=1e-6, lowest=1e-6)
    certificate["smallest_eigenvalue_perpendicular"] = 1e-9


def _weight(certificate: Certificate) -> None:
    if certificate["method"] == "dense":
        certificate["weights"][1][2] += 1e-9
    else:
        first = certificate["structured_point"]["x"][0]
        first[0] = first[0][:12] + str((int(first[0][12]) + 1) % 10) + first[0][13:]


FORGERIES: dict[str, Callable[[Certificate], object]] = {
    "a weight": _weight,
    "a smaller radius": _scale("radius", 1e-3),
    "a radius beyond the attribution radius": _scale("radius", 1e30),
    "a wider attribution radius": _scale("attribution_radius", 1.05),
    "a higher eigenvalue in the span": _scale("smallest_eigenvalue_span", 1.0001),
    "a higher eigenvalue beyond": _scale("smallest_eigenvalue_perpendicular", 1.0001),
    "a smaller Lipschitz bound": _scale("lipschitz", 0.999),
    "a smaller gradient": _scale("gradient_norm", 0.5),
    "a radius that A does not carry": _weak_beyond,
    "a wider gap": _stored("span", "gap", lambda x: x * 1.0001),
    "a wider gap beyond": _stored("perpendicular", "gap", lambda x: x * 1.0001),
    "another index": _stored("span", "index", lambda x: x + 1),
    "another index beyond": _stored("perpendicular", "index", lambda x: x + 1),
    "a higher loss": _loss("lower", "0.0999"),
    "a lower loss": _loss("upper", "0.0000000000000000000000000000000000000000001"),
    "a negative loss": _loss("upper", "-0.5"),
    "not spurious": lambda c: c.update(
        spurious={True: False, False: True, None: True}[c["spurious"]]
    ),
    "another verdict": lambda c: c.update(
        verdict="saddle" if c["verdict"] == "minimum" else "minimum"
    ),
    "a wider student": lambda c: c.update(student_width=c["student_width"] + 1),
    "a narrower teacher": lambda c: c.update(teacher_width=c["teacher_width"] - 1),
    "another method": lambda c: c.update(method="oracle"),
    "another mode": lambda c: c.update(mode="guess"),
    "other bits": lambda c: c.update(bits=63),
    "another format": lambda c: c.update(format="relu-landscape certificate 0"),
    "no weights": lambda c: (c.pop("weights", None), c.pop("structured_point", None)),
}


def _reseal(certificate: Certificate) -> None:
    """Rewrite the sentence, as a careful forger would: the numbers alone must give it away."""
    try:
        claims = read_claims(certificate)
    except InputError:
        return  # unreadable: rejected for that
    certificate["statement"] = statement(claims, certificate)


@pytest.mark.parametrize("forgery", list(FORGERIES))
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "global"])
def test_forgeries_are_rejected(kind: str, forgery: str) -> None:
    certificate = make(kind)
    FORGERIES[forgery](certificate)
    if kind.endswith("saddle") and forgery == "a higher eigenvalue in the span":
        # at a saddle the bound is negative: higher is nearer to zero
        certificate["smallest_eigenvalue_span"] /= 1.0001**2
    _reseal(certificate)
    assert _holds(certificate) is False


@pytest.mark.parametrize("forgery", ["a smaller radius", "another verdict", "a higher loss"])
def test_forged_numbers_contradict_the_sentence(forgery: str) -> None:
    certificate = make("fast")
    FORGERIES[forgery](certificate)
    (answer,) = verify(certificate)
    assert answer["holds"] is False
    assert "statement" in answer["reason"]


def test_weaker_claims_still_hold() -> None:
    certificate = make("fast")
    certificate["smallest_eigenvalue_span"] *= 0.9
    certificate["attribution_radius"] *= 0.5
    certificate["loss"]["lower"] = "0.02"
    _reseal(certificate)
    assert _holds(certificate) is True


def test_an_interval_of_the_loss_needs_strong_convexity() -> None:
    """A true bound of the eigenvalues that is too weak for the radius once turned the interval
    inside out: ``lambda - B r`` was negative, so losses above the true one could be stated."""
    certificate = make("fast")
    claims = read_claims(certificate)
    gap = claims.span.gap
    forged = replace(
        claims,
        verdict="saddle",  # the index beyond is taken for granted by ``examine``
        span=Spectrum(0, gap, 1e-9),
        perpendicular=Spectrum(1, gap, -1.0),
        radius=1e-6,
        attribution_radius=claims.attribution_radius / 2,
        smallest_eigenvalue_span=-1.0,
        smallest_eigenvalue_perpendicular=-2.0,
        lipschitz=2 * claims.lipschitz,
        spurious=None,
    )
    with precision(128):
        evidence = evaluate(np.array(certificate["weights"]), "fast", 0.0).evidence
        assert examine(evidence, forged) == NO_LOSS_INTERVAL
        strong = replace(forged, span=Spectrum(0, gap, gap))
        assert examine(evidence, strong) is None  # nothing else is wrong with it


def test_the_teacher_itself_cannot_be_made_spurious() -> None:
    certificate = make("global")
    certificate["spurious"] = True
    assert _holds(certificate) is False
    certificate["loss"]["lower"] = "0.000000000000000000000000000000000000001"
    _reseal(certificate)
    assert _holds(certificate) is False


GARBAGE: list[Any] = [
    None,
    True,
    "x",
    -1,
    float("nan"),
    float("inf"),
    10**5000,
    [],
    {},
    [[]],
    [["a"]],
    "1e5",
]


@pytest.mark.parametrize("kind", ["fast", "reduced"])
def test_garbage_in_any_field_is_rejected_without_raising(kind: str) -> None:
    free = {"spurious_rule", "reason", "format", "verdict"}
    for name in set(make(kind)) - free:
        for value in GARBAGE:
            certificate = make(kind)
            if value is certificate[name]:
                continue  # null and true are right for some fields
            certificate[name] = value
            assert _holds(certificate) is False, name


def test_garbage_inside_the_structured_point() -> None:
    for name in ("teacher_blocks", "student_blocks", "x", "y"):
        for value in ([[None]], [None, None], [{"size": 1}], ["1", "2"], [10**30], [["1/2"]]):
            certificate = make("reduced")
            certificate["structured_point"][name] = value
            assert _holds(certificate) is False, (name, value)


@pytest.mark.parametrize("document", [{}, [], None, 3, "text", {"fixed_points": []}])
def test_documents_without_certificates(document: Any) -> None:
    assert verify(document) == []


def test_very_deep_documents() -> None:
    document: Any = make("fast")
    for _ in range(100_000):
        document = [document]
    (answer,) = verify({"a": document})
    assert answer["holds"] is True


def test_a_refusal_claims_nothing() -> None:
    refused = certify(np.full((2, 2), 0.3), mode="fast", teacher_width=2)
    (answer,) = verify(refused)
    assert answer["holds"] is None
    assert refused["reason"] in answer["reason"]


#: Smallest eigenvalue of the perpendicular block of the minimum of width 6, by NumPy alone.
PERPENDICULAR = 0.1998032068


def _landscape() -> dict[str, Any]:
    certificate = make("fast")
    point = {
        "key": "m1",
        "kind": "minimum",
        "loss": 0.025080581002463,
        "stability": {
            "index": 0,
            "index_span": 0,
            "index_perpendicular": 0,
            "min_eigenvalue_span": 0.0047003537,
            "min_eigenvalue_perpendicular": PERPENDICULAR,
        },
        "certificate": certificate,
    }
    return {
        "landscape": {
            "request": {"student_width": 6, "teacher_width": 6, "teacher_gram": None},
            "fixed_points": [point, {"key": "g1", "kind": "minimum", "certificate": None}],
        },
        "details": {"m1": {"weights": copy.deepcopy(certificate["weights"])}},
    }


def test_a_landscape_is_checked_around_its_certificates() -> None:
    (answer,) = verify(_landscape())
    assert (answer["key"], answer["holds"], answer["reason"]) == ("m1", True, None)
    assert answer["not_covered"] == []
    assert answer["covers"][:3] == ["certificate", "kind", "loss"]
    assert answer["covers"][-1] == "details.weights"


def _point(document: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = document["landscape"]["fixed_points"][0]
    return result


def _beside(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda document: change(_point(document))


TAMPERED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "kind": (_beside(lambda p: p.update(kind="saddle")), "kind"),
    "loss": (_beside(lambda p: p.update(loss=0.0250806)), "loss"),
    "loss text": (_beside(lambda p: p.update(loss="low")), "loss"),
    "index": (_beside(lambda p: p["stability"].update(index=1)), "index"),
    "negative index": (_beside(lambda p: p["stability"].update(index=-1)), "index"),
    "index in the span": (_beside(lambda p: p["stability"].update(index_span=1)), "index_span"),
    "index beyond": (
        _beside(lambda p: p["stability"].update(index_perpendicular=1)),
        "index_perpendicular",
    ),
    "eigenvalue": (
        _beside(lambda p: p["stability"].update(min_eigenvalue_span=0.0046)),
        "min_eigenvalue_span",
    ),
    "eigenvalue beyond": (
        _beside(lambda p: p["stability"].update(min_eigenvalue_perpendicular=0.19)),
        "min_eigenvalue_perpendicular",
    ),
    "dimension": (lambda d: d["landscape"]["request"].update(input_dimension=5), "below"),
    "weights": (lambda d: d["details"]["m1"]["weights"][0].__setitem__(0, 0.5), "weights"),
    "ragged": (lambda d: d["details"]["m1"].update(weights=[[1.0], [1.0, 2.0]]), "weights"),
    "width": (lambda d: d["landscape"]["request"].update(student_width=7), "width"),
    "teacher": (lambda d: d["landscape"]["request"].update(teacher_gram=[[1.0]]), "orthonormal"),
    "leak": (lambda d: d["landscape"]["request"].update(leak=0.5), "leak of the request"),
}


@pytest.mark.parametrize("name", list(TAMPERED))
def test_numbers_beside_a_certificate_must_be_its_own(name: str) -> None:
    change, word = TAMPERED[name]
    document = _landscape()
    change(document)
    (answer,) = verify(document)
    assert answer["holds"] is False
    assert word in answer["reason"]


def test_perpendicular_directions_are_counted_by_dimension() -> None:
    certificate = make("saddle")
    assert certificate["index_perpendicular"] == 0
    span = certificate["index_span"]
    owner = {
        "key": "s1",
        "kind": "saddle",
        "stability": {"index": span, "index_span": span, "index_perpendicular": 0},
        "certificate": certificate,
    }
    request = {"student_width": 4, "teacher_width": 4, "input_dimension": 9}
    assert _holds(owner) is True
    assert _holds({"request": request, "points": [owner]}) is True
    owner["stability"] = {"index": span + 5}
    assert _holds(owner) is False  # nothing is negative beyond the span here
    assert _holds({"request": request, "points": [owner]}) is False


@pytest.mark.parametrize(
    ("extra", "beyond", "copies", "wanted"),
    [
        (0, 0, None, True), (5, 0, None, False), (5, 1, None, True), (5, 2, None, False),
        (-2, 1, None, False), (5, 1, 5, True), (4, 1, 5, False), (0, 0, 5, True), (1, 0, 5, False),
        (0, 3, 0, True), (3, 3, 0, False),
    ],
)  # fmt: skip
def test_an_index_counts_what_is_negative_beyond_once_per_dimension(
    extra: int, beyond: int, copies: int | None, wanted: bool
) -> None:
    assert counts_copies(extra, beyond, copies) is wanted
