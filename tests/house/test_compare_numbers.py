"""What ``tools/compare_numbers.py`` sees, and what it lets pass."""

from __future__ import annotations

import copy
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import compare_numbers
from tools.compare_numbers import ACROSS_VERSIONS, SAME_NAMES, Comparison, Request, compared

#: One of each that the tables know, by the old names.
BEFORE: dict[str, Any] = {
    "id": "a",
    "unseen_mass": {"estimate": 0.25, "upper_bound_95": 0.5},
    "starts": {"asked": 4, "outcomes": {"did not converge": 1}},
    "fixed_points": [
        {
            "loss": 0.1,
            "is_global": True,
            "found_by": ["sampled", "structured"],
            "stability": {
                "index": 0,
                "min_eigenvalue": 0.5,
                "slowest_time": 2.0,
                "spectrum": [{"eigenvalue": 0.5, "multiplicity": 3, "space": "plane"}],
            },
            "certificate": {
                "format": "relu-landscape certificate 1",
                "index": 0,
                "stored_point": {"plane": {"gap": 0.5}, "perpendicular": {"gap": 0.25}},
            },
        }
    ],
    "transitions": [
        {"minima": ["g1", "g1"], "relation": "different", "same_copy": False, "barriers": [0.0]}
    ],
}
#: The same by the new names, with one member more.
AFTER: dict[str, Any] = {
    "id": "b",
    "missing_mass": {"estimate": 0.25, "upper_bound_95": 0.5},
    "starts": {"asked": 4, "outcomes": {"did not converge": 1}},
    "fixed_points": [
        {
            "loss": 0.1,
            "is_global": True,
            "found_by": ["pathway", "sampled"],
            "stability": {
                "index": 0,
                "index_span": 0,
                "min_eigenvalue_span": 0.5,
                "relaxation_time": 2.0,
                "spectrum": [{"eigenvalue": 0.5, "multiplicity": 3, "space": "span"}],
            },
            "certificate": {
                "format": "relu-landscape certificate 2",
                "index_span": 0,
                "stored_point": {"span": {"gap": 0.5}, "perpendicular": {"gap": 0.25}},
            },
        }
    ],
    "pathways": [{"minima": ["g1", "g1"], "relation": "same continuum", "barriers": [0.0]}],
}


def recording(document: dict[str, Any], **details: list[float]) -> dict[str, Any]:
    return {
        "kind": "landscape",
        "command": "solve",
        "document": document,
        "details": {"m1": details},
    }


def across(change: dict[str, Any], before: dict[str, Any] = BEFORE) -> Comparison:
    return compared(recording(before), recording(change), ACROSS_VERSIONS)


def wrong(found: Comparison) -> list[str]:
    return [line for lines in found.problems.values() for line in lines]


def test_renames_are_applied_and_what_is_new_is_listed() -> None:
    found = across(AFTER)
    assert wrong(found) == []
    assert found.new == {"landscape.fixed_points[].stability.index_span": 1}
    # 2 of the mass, 2 of the starts, 1 + 5 of the point, 3 of its certificate, 1 barrier.
    assert found.counts["numbers"] == 14
    assert found.permitted.total() == 2
    details = recording({}, eigenvalues_plane=[1.0]), recording({}, eigenvalues_span=[1.0])
    assert wrong(compared(*details, ACROSS_VERSIONS)) == []


@pytest.mark.parametrize("rules", [ACROSS_VERSIONS, SAME_NAMES])
def test_a_changed_last_bit_is_seen(rules: compare_numbers.Rules) -> None:
    value = 0.1
    old, new = (
        recording({}, weights=[1.0, value]),
        recording({}, weights=[1.0, math.nextafter(value, 1)]),
    )
    assert wrong(compared(old, copy.deepcopy(old), rules)) == []
    found = compared(old, new, rules)
    assert found.counts["numbers"] == 2
    assert found.counts["differing"] == 1
    assert len(wrong(found)) == 1
    assert "details.m1.weights[1]" in wrong(found)[0]
    assert value.hex() in wrong(found)[0]


@pytest.mark.parametrize(("old", "new"), [
    (0.0, -0.0), (1, 1.0), (1, True), (0, None), ("a", "b"), (True, False), ([1, 2], [1]),
    ([1], [1, 2]), ({"a": 1}, [1]), (2**53, 2**53 + 1),
])  # fmt: skip
def test_values_that_only_look_equal_differ(old: object, new: object) -> None:
    found = compared(recording({"x": old}), recording({"x": new}), SAME_NAMES)
    assert found.counts["differing"] == 1


def test_a_missing_member_is_seen() -> None:
    change = copy.deepcopy(AFTER)
    del change["missing_mass"]
    del change["fixed_points"][0]["loss"]
    found = across(change)
    assert found.counts["missing"] == 3  # values: the mass has two
    assert wrong(found) == [
        "document.unseen_mass: missing, as missing_mass",
        "document.fixed_points[0].loss: missing, as loss",
    ]


def test_an_unlisted_rename_is_reported() -> None:
    change = copy.deepcopy(AFTER)
    change["fixed_points"][0]["cost"] = change["fixed_points"][0].pop("loss")
    found = across(change)
    assert wrong(found) == ["document.fixed_points[0].loss: missing, as loss"]
    assert found.new["landscape.fixed_points[].cost"] == 1


def test_an_old_name_that_stays_is_not_the_new_one() -> None:
    found = across(BEFORE)
    assert "document.transitions: missing, as pathways" in wrong(found)
    assert any('"span" wanted, now "plane"' in line for line in wrong(found))
    assert wrong(compared(recording(BEFORE), recording(BEFORE), SAME_NAMES)) == []


@pytest.mark.parametrize(("old", "new", "is_fine"), [
    (["structured"], ["pathway"], True),
    (["structured"], ["pathway", "structured"], True),
    (["sampled"], ["pathway"], False),
    (["sampled", "structured"], ["pathway"], False),
    (["sampled", "structured"], ["sampled"], False),
    (["structured"], ["pathway", "pathway"], False),
    (["structured"], None, False),
])  # fmt: skip
def test_who_found_a_point(old: list[str], new: object, is_fine: bool) -> None:
    found = across({"fixed_points": [{"found_by": new}]}, {"fixed_points": [{"found_by": old}]})
    assert (wrong(found) == []) is is_fine
    assert found.permitted.total() == is_fine


@pytest.mark.parametrize(("minima", "relation", "is_fine"), [
    (["g1", "g1"], "same continuum", True),
    (["g1", "m1"], "same continuum", False),
    (["g1", "g1"], "relabelled", False),
])  # fmt: skip
def test_how_two_ends_are_related(minima: list[str], relation: str, is_fine: bool) -> None:
    old, new = {"minima": minima, "relation": "different"}, {"minima": minima, "relation": relation}
    found = across({"pathways": [new]}, {"transitions": [old]})
    assert (wrong(found) == []) is is_fine


def test_a_member_that_can_be_derived_may_go_only_if_it_can() -> None:
    pathway = {"minima": ["m1", "m1"], "relation": "same copy"}
    for is_same_copy in (True, False):
        old = {"transitions": [{**pathway, "same_copy": is_same_copy}]}
        assert (wrong(across({"pathways": [pathway]}, old)) == []) is is_same_copy


def test_a_new_key_among_data_is_a_difference() -> None:
    change = copy.deepcopy(AFTER)
    change["starts"]["outcomes"]["was lost"] = 1
    assert wrong(across(change)) == ["document.starts.outcomes.was lost: only there now"]


def test_two_recordings_of_one_version_share_even_their_hashes() -> None:
    old, new = ({"id": name, "provenance": {"seconds": name}} for name in "ab")
    assert wrong(across(new, old)) == []
    found = compared(recording(old), recording(new), SAME_NAMES)
    assert wrong(found) == ['document.id: "a" wanted, now "b"']


def test_the_status_says_whether_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, document in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / folder).mkdir()
        for request in compare_numbers.REQUESTS:
            file = tmp_path / folder / f"{request.name}.json"
            file.write_text(json.dumps(recording(document)))
    asked = ["compare", str(tmp_path / "before"), str(tmp_path / "after")]
    assert compare_numbers.main(asked) == 0
    assert "12 of 12 requests" in capsys.readouterr().out
    assert compare_numbers.main([*asked, "--same-names"]) == 1
    (tmp_path / "after" / f"{compare_numbers.REQUESTS[-1].name}.json").unlink()
    assert compare_numbers.main(asked) == 1
    assert "11 of 12 requests" in capsys.readouterr().out


def test_the_requests_are_twelve_and_have_files_of_their_own() -> None:
    assert len({request.name for request in compare_numbers.REQUESTS}) == 12


def test_a_recording_holds_details_and_the_matrix_that_was_asked_for() -> None:
    """By the command line of the environment that runs the tests."""
    request = Request("tiny", "landscape", "solve 2 2 --starts 3", ((1.0, 0.25), (0.25, 1.5)))
    answer = compare_numbers.answer(Path(sys.prefix), request)
    assert answer["document"]["request"]["teacher_gram"] == [[1.0, 0.25], [0.25, 1.5]]
    assert answer["document"]["starts"]["asked"] == 3
    assert {len(details["weights"]) for details in answer["details"].values()} == {2}


def test_a_command_that_fails_ends_the_recording(tmp_path: Path) -> None:
    request = Request("wrong", "landscape", "solve 2 2 --starts -1")
    with pytest.raises(SystemExit, match="solve 2 2 --starts -1 left with"):
        compare_numbers.answer(Path(sys.prefix), request)
    (tmp_path / "already.json").touch()
    with pytest.raises(SystemExit, match="not empty"):
        compare_numbers.record(Path(sys.prefix), tmp_path)
