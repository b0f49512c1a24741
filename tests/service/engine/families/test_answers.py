"""The short calls: families with certificates that hold, and continuations."""

from __future__ import annotations

import pytest

from relu_landscape import analyses
from relu_landscape.engine import families, verify
from relu_landscape.engine.dynamics.answers import learning_rates_answer
from relu_landscape.engine.families.choices import structures_answer
from relu_landscape.engine.families.continuation import continuation
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.leaks import leaks
from relu_landscape.engine.landscape.estimates import estimate_answer
from relu_landscape.wire.families import ContinuationQuery, FamilyQuery
from relu_landscape.wire.leaks import LeaksQuery


def test_the_registry_finds_them() -> None:
    registry = analyses.ANALYSES
    names = {call.name: analyses.function(call.function) for call in registry.calls}
    assert names == {
        "family": families.family_answer,
        "continuation": families.continuation_answer,
        "leaks": families.leaks_answer,
        "learning_rates": learning_rates_answer,
        "structures": structures_answer,
        "estimate": estimate_answer,
    }
    with pytest.raises(AttributeError, match="no attribute 'waltz'"):
        _ = families.waltz


@pytest.mark.parametrize(
    ("students", "teachers", "structure"),
    [(17, 17, "1+16"), (10**6, 10**6, "one-anti-aligned"), (18, 17, "4+13 extra 1")],
)
def test_a_family_is_certified(students: int, teachers: int, structure: str) -> None:
    query = FamilyQuery(
        student_width=students, teacher_width=teachers, structure=structure, certify=True
    )
    found = families.family_answer(query)
    certificate = found.certificate
    assert certificate is not None
    assert certificate.verdict == "minimum"
    assert certificate.spurious is True
    assert certificate.loss is not None
    assert float(certificate.loss.lower) <= found.loss * (1 + 1e-12)
    assert float(certificate.loss.upper) >= found.loss * (1 - 1e-12)
    assert [item["holds"] for item in verify(certificate.model_dump(mode="json"))] == [True]


def test_without_asking_there_is_none() -> None:
    query = FamilyQuery(student_width=7, teacher_width=7, structure="1+6", branch=1)
    found = families.family_answer(query)
    assert found.certificate is None
    assert found == family(7, 7, "1+6", 1)


def test_a_continuation_is_answered() -> None:
    query = ContinuationQuery(structure="1+*", from_width=7.0, to_width=5.0, points=3)
    assert families.continuation_answer(query) == continuation("1+*", 7.0, 5.0, 3)


def test_a_point_along_the_leak_is_answered() -> None:
    query = LeaksQuery(
        student_width=4, teacher_width=4, structure="1+3", from_leak=-0.5, to_leak=0.0, points=2
    )
    assert families.leaks_answer(query) == leaks(4, 4, "1+3", -0.5, 0.0, 2)
