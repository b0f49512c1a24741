"""Names, sizes and the sets of structures that are searched by default."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relu_landscape.engine.families.structures import Structure, default_structures, parse
from relu_landscape.errors import InputError

from .shapes import KINDS


@pytest.mark.parametrize("name", [*KINDS, "1+15.5", "2.25x2+7 extra 3", "999999999"])
def test_a_name_is_read_back(name: str) -> None:
    structure = parse(name)
    assert structure.name == name
    assert parse(structure.name) == structure


@given(
    st.lists(
        st.tuples(
            st.integers(1, 40) | st.floats(1, 1e6).filter(lambda x: x > 1 + 1e-9),
            st.integers(0, 4),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 9),
)
def test_every_structure_has_a_name_that_is_read_back(
    blocks: list[tuple[float, int]], extra: int
) -> None:
    sizes, counts = tuple(p for p, _ in blocks), tuple(c for _, c in blocks)
    if not any(counts) and not extra:
        return
    structure = Structure(sizes, counts, extra)
    assert parse(structure.name) == structure
    canonical = structure.canonical()
    assert canonical.canonical() == canonical
    assert canonical.student_width == pytest.approx(structure.student_width, rel=1e-12)
    assert canonical.teacher_width == pytest.approx(structure.teacher_width, rel=1e-12)


def test_widths_count_students_and_teachers() -> None:
    structure = parse("1+5x2+11 extra 2")
    assert (structure.student_width, structure.teacher_width) == (24, 17)
    assert isinstance(structure.student_width, int)
    assert parse("1+15.5").teacher_width == 16.5
    assert not parse("1+15.5").is_integral


def test_units_belong_beside_single_teachers_in_canonical_order() -> None:
    assert parse("5+1x2").canonical().name == "1+5 extra 1"
    assert parse("5+1x0 extra 2").canonical().name == "1+5 extra 1"
    assert parse("1x0+1+3").canonical().name == "1x0+1+3"
    assert parse("4x2+4").canonical().name == "4+4x2"


@pytest.mark.parametrize(
    ("name", "students", "teachers", "word"),
    [
        ("1+16", 17, 18, "teachers"),
        ("1+16", 18, 17, "students"),
        ("1+*", 5, None, "teacher width"),
        ("7+*", 7, 7, "wider"),
        ("", None, None, "no structure"),
        ("1++5", None, None, "no structure"),
        ("1+5 extra", None, None, "no structure"),
        ("1+5 extra -1", None, None, "no structure"),
        ("1e9", None, None, "no structure"),
        ("-3", None, None, "no structure"),
        ("0+5", None, None, "at least 1"),
        ("0.5+5", None, None, "at least 1"),
        ("4x0", None, None, "at least one student"),
        ("１+5", None, None, "no structure"),
        ("1+" * 5000, None, None, "no structure"),
    ],
)
def test_impossible_names_are_refused_with_the_reason(
    name: str, students: float | None, teachers: float | None, word: str
) -> None:
    with pytest.raises(InputError, match=word):
        parse(name, student_width=students, teacher_width=teachers)


def test_families_fill_in_what_is_left() -> None:
    assert parse("1+*", teacher_width=10**9).sizes == (1, 999_999_999)
    assert parse("*+*", teacher_width=7).sizes == (3.5, 3.5)
    assert parse("2+* extra 1", student_width=21, teacher_width=20).name == "2+18 extra 1"


@pytest.mark.parametrize("width", [1, 2, 3, 6, 7, 20])
def test_equal_widths_search_one_two_and_one_p_q_blocks(width: int) -> None:
    names = {structure.name for structure in default_structures(width, width)}
    expected = {str(width)}
    expected |= {f"{p}+{width - p}" for p in range(1, width // 2 + 1)}
    expected |= {f"1+{p}+{width - 1 - p}" for p in range(1, (width - 1) // 2 + 1)}
    assert names == expected


@pytest.mark.parametrize(
    ("students", "teachers"), [(18, 17), (19, 17), (34, 17), (20, 10), (5, 7), (1, 3), (20, 40)]
)
def test_other_widths_search_structures_that_fit_once_each(students: int, teachers: int) -> None:
    found = default_structures(students, teachers)
    assert found
    assert len({structure.name for structure in found}) == len(found)
    for structure in found:
        assert structure.canonical() == structure
        assert (structure.student_width, structure.teacher_width) == (students, teachers)


def test_wider_students_search_units_and_pairs_on_one_teacher_block() -> None:
    names = {structure.name for structure in default_structures(19, 17)}
    assert {"1+16 extra 2", "2x2+15", "1+2x2+14"} <= names
    assert default_structures(64, 1) == ()


def test_narrow_students_can_serve_several_teachers_with_one_unit() -> None:
    assert "2x0+4 extra 1" in {structure.name for structure in default_structures(5, 6)}


def test_resizing_keeps_single_teachers_single() -> None:
    assert parse("1+5").resized((1, 7.5)).name == "1+7.5"
    with pytest.raises(InputError):
        parse("1+5").resized((2, 4))
    with pytest.raises(InputError):
        default_structures(0, 3)
