"""The short calls: families with certificates that hold."""

from __future__ import annotations

import pytest

from relu_landscape.engine import CALLS, verify


def test_names() -> None:
    assert set(CALLS) == {"family", "continuation"}


@pytest.mark.parametrize(
    ("students", "teachers", "structure"),
    [(17, 17, "1+16"), (10**6, 10**6, "one-anti-aligned"), (18, 17, "4+13 extra 1")],
)
def test_a_family_is_certified(students: int, teachers: int, structure: str) -> None:
    found = CALLS["family"](
        student_width=students, teacher_width=teachers, structure=structure, certify=True
    )
    certificate = found["certificate"]
    assert certificate["verdict"] == "minimum"
    assert certificate["spurious"] is True
    assert float(certificate["loss"]["lower"]) <= found["loss"] * (1 + 1e-12)
    assert float(certificate["loss"]["upper"]) >= found["loss"] * (1 - 1e-12)
    assert [item["holds"] for item in verify(certificate)] == [True]


def test_without_asking_there_is_none() -> None:
    found = CALLS["family"](student_width=7, teacher_width=7, structure="1+6")
    assert found["certificate"] is None
