"""Families as the engine describes them, read by the client."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pytest

from relu_landscape.engine.families.continuation import continuation
from relu_landscape.engine.families.family import family
from relu_landscape_client import Continuation, Family, ProtocolError


def _sent(document: dict[str, Any]) -> dict[str, Any]:
    """As it arrives: through JSON."""
    sent: dict[str, Any] = json.loads(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
    return sent


def test_a_family_at_a_width_where_integers_need_digits() -> None:
    found = Family.from_document(_sent(family(10**9, 10**9, "one-anti-aligned")))
    assert (found.kind, found.structure) == ("minimum", "1+999999999")
    assert (found.student_width, found.anti_aligned) == (10**9, 1)
    # Every eigenvalue of the (10^9)^2 coordinates in the plane is counted, exactly.
    plane = [
        count
        for count, space in zip(found.spectrum.multiplicities, found.spectrum.spaces, strict=True)
        if space == "plane"
    ]
    assert sum(plane) == 10**18
    assert found.stability.attractive


def test_branches_are_listed() -> None:
    found = Family.from_document(_sent(family(7, 7, "1+6")))
    # Safran and Shamir's minimum of width 7 (arXiv:1712.08968), as random starts find it.
    assert found.loss == pytest.approx(0.0232027149136, abs=1e-12)
    assert found.branches[(found.branch or 0) - 1]["loss"] == found.loss


def test_a_continuation() -> None:
    found = Continuation.from_document(
        _sent(continuation("one-anti-aligned", 7.0, 5.0, points=5))
    )  # fmt: skip
    assert found.widths[[0, -1]] == pytest.approx([7.0, 5.0])
    assert found.losses.shape == found.widths.shape == found.is_stable.shape
    assert {each.shape for each in found.smallest.values()} == {(5,)}
    # Stability changes where the two ends differ, and only there.
    assert bool(found.is_stable[0]) is not bool(found.is_stable[-1])
    assert [each.stable_above for each in found.changes] == [True] * len(found.changes)
    assert found.changes
    assert all(5.0 < each.width < 7.0 for each in found.changes)


def test_what_is_missing_is_nan_and_what_is_unknown_is_kept() -> None:
    document = {
        "points": [{"width": 6.0, "loss": None, "smallest": {"a": 0.1}}, {"width": 7.0}],
        "mood": "cheerful",
    }
    found = Continuation.from_document(document)
    assert math.isnan(found.losses[0])
    assert found.smallest["a"][0] == 0.1
    assert math.isnan(found.smallest["a"][1])
    assert found.document["mood"] == "cheerful"
    assert Family.from_document({"loss": 0.5}).branches == ()
    nothing: dict[str, Any] = {}
    for broken in (nothing, {"points": [], "changes": [nothing]}):
        with pytest.raises(ProtocolError):
            Continuation.from_document(broken)
