"""Which structures can be asked for: every name fits, and the words count what the name counts."""

from __future__ import annotations

import re

import pytest

from relu_landscape.engine.families.choices import GRAMMAR, structures_answer
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.structures import parse
from relu_landscape.wire.structures import StructuresQuery

WIDTHS = [(1, 1), (2, 2), (7, 7), (8, 7), (9, 7), (6, 7), (3, 9), (17, 17), (64, 1)]


@pytest.mark.parametrize(("students", "teachers"), WIDTHS)
def test_every_name_fits_and_says_what_the_words_say(students: int, teachers: int) -> None:
    found = structures_answer(StructuresQuery(student_width=students, teacher_width=teachers))
    assert (found.student_width, found.teacher_width) == (students, teachers)
    assert len({each.name for each in found.items}) == len(found.items)
    assert bool(found.items) == ((students, teachers) != (64, 1))
    for each in found.items:
        structure = parse(each.name, student_width=students, teacher_width=teachers)
        assert each.unknowns == layout(structure).unknowns
        counted = [0, 0]
        for part in each.words.split("; "):
            teachers_in = int((re.match(r"(\d+) teacher", part) or ["", "0"])[1])
            students_in = int((re.search(r"(\d+) student", part) or ["", "0"])[1])
            counted[0] += teachers_in
            counted[1] += students_in * (teachers_in if part.endswith(" each") else 1)
        assert counted == [teachers, students], each.words


def test_well_known_families_stand_beside_their_structures() -> None:
    found = structures_answer(StructuresQuery(student_width=17, teacher_width=17))
    families = {name: each.name for each in found.items for name in each.families}
    assert families["global"] == families["all-anti-aligned"] == "17"
    assert families["one-anti-aligned"] == "1+16"
    assert families["two-anti-aligned"] == "2+15"
    assert families["eight-anti-aligned"] == "8+9"
    wider = structures_answer(StructuresQuery(student_width=18, teacher_width=17))
    assert not any(each.families for each in wider.items)  # they exist for equal widths


def test_the_grammar_is_that_of_the_parser() -> None:
    for name in re.findall(r"(?<=: )[0-9x+]+\+[0-9x+]+", GRAMMAR):
        assert parse(name.rstrip(".:")).name == name.rstrip(".:")
