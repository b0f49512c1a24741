"""Landscapes side by side: what is the same, what has come and gone."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_client import Landscape, MissingExtra, compare
from relu_landscape_client.comparison import family_of
from tests.clients.samples import document, fixed_point


def landscape(*points: tuple[str, float, str], widths: tuple[int, int] = (2, 2)) -> Landscape:
    """Points by key, loss and structure; global where the loss is zero."""
    made = []
    for key, loss, structure in points:
        point = fixed_point(key, loss, 1, widths=widths)
        told = point.structure.model_copy(update={"name": structure})
        made.append(point.model_copy(update={"structure": told}))
    asked = LandscapeRequest(student_width=widths[0], teacher_width=widths[1], starts=10)
    return Landscape.from_document(document(asked, fixed_points=made))


def test_points_of_the_same_widths_are_the_same_where_their_overlaps_are() -> None:
    one = landscape(("m1", 0.0, "2"), ("m2", 0.0125, "1+1"))
    other = landscape(("m1", 0.0, "2"), ("m2", 0.02, "2"), ("m3", 0.0125, "1+1"))
    found = compare(one, other)
    said = [
        (each.relation, [point and point.key for point in each.points]) for each in found.changes
    ]
    assert said == [("same", ["m1", "m1"]), ("same", ["m2", "m3"]), ("born", [None, "m2"])]
    backwards = compare(other, one, names=("before", "after"))
    (gone,) = backwards.only("gone")
    assert gone.points[0] is other.fixed_points["m2"]
    assert math.isnan(gone.losses[1])
    assert "gone, loss 0.02, -" in repr(backwards)


def test_overlaps_that_differ_by_rounding_alone_are_the_same() -> None:
    one = landscape(("m2", 0.0125, "1+1"))
    told = document(fixed_points=[fixed_point("m2", 0.0125, 1)])
    for row in told["fixed_points"][0]["overlaps"]["R"]:
        row[0] += 1e-9
    (line,) = compare(one, Landscape.from_document(told)).changes
    assert line.relation == "same"


def test_other_widths_are_paired_by_structure_and_loss() -> None:
    narrow = landscape(("m1", 0.0, "7"), ("m2", 0.02, "1+6"), ("m3", 0.03, "2+5"), widths=(7, 7))
    wide = landscape(("m1", 0.0, "8"), ("m2", 0.021, "1+7"), ("m3", 0.04, "3+5"), widths=(8, 8))
    found = compare(narrow, wide)
    assert [(each.structure, each.relation) for each in found.changes] == [
        ("global minima", "same structure"), ("1+*", "same structure"),
        ("2+5", "gone"), ("3+5", "born"),
    ]  # fmt: skip
    assert found.names == ("7/7", "8/8")


def test_several_points_of_one_structure_are_paired_only_where_they_are_as_many() -> None:
    narrow = landscape(("m1", 0.02, "1+6"), ("m2", 0.03, "1+6"), widths=(7, 7))
    wide = landscape(("m1", 0.025, "1+7"), ("m2", 0.035, "1+7"), widths=(8, 8))
    found = compare(narrow, wide)
    assert [each.losses for each in found.changes] == [(0.02, 0.025), (0.03, 0.035)]
    more = landscape(("m1", 0.025, "1+7"), ("m2", 0.03, "1+7"), ("m3", 0.035, "1+7"), widths=(8, 8))
    relations = [each.relation for each in compare(narrow, more).changes]
    assert sorted(relations) == ["born"] * 3 + ["gone"] * 2


def test_three_landscapes_say_where_a_point_is() -> None:
    first, third = landscape(("m1", 0.0, "2")), landscape(("m1", 0.0, "2"))
    second = landscape(("m2", 0.0125, "1+1"))
    lines = {each.relation: each.losses for each in compare(first, second, third).changes}
    np.testing.assert_array_equal(lines["partly"], (np.nan, 0.0125, np.nan))
    assert compare(first, first).names == ("2/2 (1)", "2/2 (2)")


@pytest.mark.parametrize(
    ("name", "family"),
    [("1+6", "1+*"), ("8", "*"), ("3+3", "3+3"), ("1+16 extra 1", "1+* extra 1"),
     ("2x0 extra 1", "2x0 extra 1")],
)  # fmt: skip
def test_a_family_has_a_star_for_its_largest_block(name: str, family: str) -> None:
    assert family_of(landscape(("m2", 0.01, name)).fixed_points[0]) == family


def test_what_cannot_be_compared_is_said() -> None:
    one = landscape(("m1", 0.0, "2"))
    with pytest.raises(ValueError, match="1 landscapes given: a comparison needs at least two"):
        compare(one)
    with pytest.raises(ValueError, match="names must be 2 different ones"):
        compare(one, one, names=("a", "a"))


def test_a_table_and_a_picture() -> None:
    narrow = landscape(("m1", 0.0, "7"), ("m2", 0.02, "1+6"), widths=(7, 7))
    wide = landscape(("m1", 0.0, "8"), ("m2", 0.03, "3+5"), widths=(8, 8))
    found = compare(narrow, wide)
    table = found.to_dataframe()
    assert list(table["relation"]) == ["same structure", "gone", "born"]
    assert list(table["loss, 8/8"].fillna(-1.0)) == [0.0, -1.0, 0.03]
    assert list(table["key, 7/7"].isna()) == [False, False, True]
    ax = found.plot()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["7/7", "8/8"]
    assert sum(line.get_linestyle() == "--" for line in ax.get_lines()) == 1


def test_a_table_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    one = landscape(("m1", 0.0, "2"))
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match="frames"):
        compare(one, one).to_dataframe()
