"""Accept, Prefer, If-None-Match and Retry-After, against the examples of their standards."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from relu_landscape_api.reading.negotiation import (
    matches_etag,
    preferred_type,
    preferred_wait,
    retry_after,
)

JSON, NPZ = "application/json", "application/x-npz"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (NPZ, NPZ),
        (f"{NPZ}, */*", JSON),
        (f"{NPZ}, */*;q=0.1", NPZ),
        (f"{JSON};q=0.5, {NPZ}", NPZ),
        (f"{JSON};q=0, */*", NPZ),
        (f"{JSON};q=0, {NPZ};q=0", None),
        (f"{NPZ};q=0, {JSON}", JSON),
        ("text/html", None),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        (f"{NPZ};q=nonsense", None),
        (f"{NPZ};q=2", None),
        (f"{NPZ};q=nan", None),
        (f" {NPZ.upper()} ; Q=1.0", NPZ),
        (",,,", None),
        (";", None),
    ],
)
def test_preferred_type(accept: str | None, chosen: str | None) -> None:
    assert preferred_type(accept, (JSON, NPZ)) == chosen


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([], None),
        (["wait=10"], 10.0),
        (["WAIT = 10"], 10.0),
        (['wait="10"'], 10.0),
        (["respond-async, wait=5"], 5.0),
        (["respond-async", "wait=5"], 5.0),
        (["return=minimal; foo=bar, wait=5"], 5.0),
        (["wait=0"], 0.0),
        (["wait=600"], 60.0),
        (["wait=99999999999999999999"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=soon"], None),
        (["wait"], None),
        (["waiting=1"], None),
        (["wait=\u0663"], None),
    ],
)
def test_preferred_wait(values: list[str], seconds: float | None) -> None:
    headers = Headers(raw=[(b"prefer", value.encode("utf-8")) for value in values])
    assert preferred_wait(headers) == seconds


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        (None, False),
        ("", False),
        ("*", True),
        ('W/"a"', True),
        ('"a"', True),
        ('"b", W/"a"', True),
        ('"b"', False),
        ("a", False),
    ],
)
def test_matches_etag(header: str | None, matches: bool) -> None:
    assert matches_etag(header, 'W/"a"') is matches


@pytest.mark.parametrize(
    ("left", "answer"),
    [(None, "1"), (0.0, "1"), (0.2, "1"), (1.2, "2"), (1e9, "30"), (float("inf"), "1")],
)
def test_retry_after(left: float | None, answer: str) -> None:
    assert retry_after(left) == answer
