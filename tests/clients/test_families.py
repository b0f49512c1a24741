"""Families as the server describes them, read by the client."""

from __future__ import annotations

import math
from typing import Any

import pytest

from relu_landscape.jobs.local import call_locally
from relu_landscape.wire.families import ContinuationQuery, FamilyQuery
from relu_landscape_client import Continuation, Family, ProtocolError
from tests.clients import samples


def _family(width: int, structure: str, leak: float = 0.0) -> Family:
    query = FamilyQuery(student_width=width, teacher_width=width, structure=structure, leak=leak)
    return Family.from_document(call_locally("family", query))


def test_a_family_at_a_width_where_integers_need_digits() -> None:
    found = _family(10**9, "one-anti-aligned")
    assert (found.kind, found.structure) == ("minimum", "1+999999999")
    assert (found.student_width, found.anti_aligned) == (10**9, 1)
    # Every eigenvalue of the (10^9)^2 coordinates in the span is counted, exactly.
    span = [
        count
        for count, space in zip(found.spectrum.multiplicities, found.spectrum.spaces, strict=True)
        if space == "span"
    ]
    assert sum(span) == 10**18
    assert found.stability.attractive


def test_the_leak_is_read() -> None:
    assert _family(6, "1+5").leak == 0.0
    found = _family(6, "1+5", -0.5)
    assert found.leak == found.point["leak"] == -0.5
    query = ContinuationQuery(structure="1+*", from_width=6.0, to_width=7.0, points=2, leak=-0.5)
    along = Continuation.from_document(call_locally("continuation", query))
    assert along.leak == -0.5
    assert along.losses[0] == pytest.approx(found.loss, abs=1e-15)


def test_branches_are_listed() -> None:
    found = _family(7, "1+6")
    # Safran and Shamir's minimum of width 7 (arXiv:1712.08968), as random starts find it.
    assert found.loss == pytest.approx(0.0232027149136, abs=1e-12)
    assert found.branches[(found.branch or 0) - 1]["loss"] == found.loss


def test_a_continuation() -> None:
    query = ContinuationQuery(structure="one-anti-aligned", from_width=7.0, to_width=5.0, points=5)
    found = Continuation.from_document(call_locally("continuation", query))
    assert found.widths[[0, -1]] == pytest.approx([7.0, 5.0])
    assert found.losses.shape == found.widths.shape == found.is_stable.shape
    assert {each.shape for each in found.smallest.values()} == {(5,)}
    # Stability changes where the two ends differ, and only there.
    assert bool(found.is_stable[0]) is not bool(found.is_stable[-1])
    assert [each.stable_above for each in found.changes] == [True] * len(found.changes)
    assert found.changes
    assert all(5.0 < each.width < 7.0 for each in found.changes)


def test_every_member_of_a_family_is_read() -> None:
    found = Family.from_document(samples.family().model_dump(mode="json"))
    assert (found.family, found.structure) == ("one-anti-aligned", "1+999999999")
    assert found.stability.relaxation_time == 100.0
    assert (found.stability.index_span, found.stability.nullity_span) == (0, 0)
    assert found.spectrum.multiplicities == (1, 10**18 - 1)
    assert found.unknowns.tolist() == [0.5, 0.25]
    assert found.point["signs"] == [-1, 1]
    assert found.student_blocks[1]["size"] == 10**9 - 1
    assert found.certificate is None


def test_columns_of_a_continuation_are_read_only_arrays() -> None:
    found = Continuation.from_document(samples.continuation().model_dump(mode="json"))
    assert found.widths.tolist() == [5.0, 6.0, 7.0]
    assert found.losses.tolist() == [0.5, 0.4, 0.3]
    assert found.is_stable.tolist() == [False, True, True]
    assert found.smallest["a"].tolist() == [-0.1, 0.1, 0.2]
    assert math.isnan(found.smallest["b"][0])  # a component that is not there yet
    assert found.sheets.tolist() == [1, 1, 1]
    assert [(each.kind, each.width, each.component) for each in found.events] == [
        ("branch_point", 5.5, "a")
    ]
    with pytest.raises(ValueError, match="read-only"):
        found.is_stable[0] = True


def test_what_is_null_is_nan_and_what_is_unknown_is_kept() -> None:
    document = samples.continuation().model_dump(mode="json") | {"mood": "cheerful"}
    document["points"][0]["loss"] = None
    found = Continuation.from_document(document)
    assert math.isnan(found.losses[0])
    assert found.document["mood"] == "cheerful"


@pytest.mark.parametrize(
    ("reader", "document"),
    [
        (Family, samples.family().model_dump(mode="json")),
        (Continuation, samples.continuation().model_dump(mode="json")),
    ],
    ids=["family", "continuation"],
)
def test_what_cannot_be_missing_is_named(reader: Any, document: dict[str, Any]) -> None:
    for name in set(document) - {"certificate"}:
        broken = {key: value for key, value in document.items() if key != name}
        with pytest.raises(ProtocolError, match=f"'{name}'"):
            reader.from_document(broken)
    for name in ("changes", "events", "points"):
        if name in document:
            broken = document | {name: [{}]}
            with pytest.raises(ProtocolError, match="lacks the field"):
                reader.from_document(broken)
