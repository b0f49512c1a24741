"""How the widths of student and teacher are asked for: one set of names for every question.

Papers write K for the students and M for the teachers; the short form ``K`` of this interface has
always been the teacher's width, and stays it. ``width_notice`` says so to whoever may have meant
otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import AliasChoices

STUDENT_NAMES = AliasChoices("student_width", "student", "width")
TEACHER_NAMES = AliasChoices("teacher_width", "teacher", "M", "K")
STUDENT_WORDS = "number of ReLU units of the student (short forms: student, width)"
TEACHER_WORDS = (
    "number of ReLU units of the teacher (short forms: teacher, M, and K, although papers "
    "write K for the student)"
)


def in_words(student_width: int, teacher_width: int) -> str:
    """The widths as a person reads them.

    >>> in_words(17, 1)
    '17 student units, 1 teacher unit'
    """
    return ", ".join(
        f"{count} {whose} unit{'s' * (count != 1)}"
        for count, whose in ((student_width, "student"), (teacher_width, "teacher"))
    )


def width_notice(names: Collection[str], asked: Any) -> str | None:
    """What to say of a question that was asked with these ``names`` of fields; None: nothing.

    ``asked``: the question as it was understood.
    """
    widths = (getattr(asked, name, None) for name in ("student_width", "teacher_width"))
    student, teacher = widths
    if "K" not in names or student is None or teacher is None or student == teacher:
        return None
    return (
        f"K is the teacher's width here: {in_words(student, teacher)}. "
        "Write student_width and teacher_width (or student and M) to leave no doubt."
    )
