"""What the request headers ask for: ``Accept``, ``Prefer`` and ``If-None-Match``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import Scope

JSON_TYPE = "application/json"
#: NumPy's archives have no registered media type; this is the name in common use.
NPZ_TYPE = "application/x-npz"
CSV_TYPE = "text/csv"
PARQUET_TYPE = "application/vnd.apache.parquet"
#: Longest wait that one request may ask for: below the idle limits of common proxies (60 s at
#: nginx and AWS load balancers count from the last byte, and the wait starts after it).
LONGEST_WAIT_SECONDS = 60.0


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, in small letters; quicker than Starlette's mapping."""
    for each, value in scope["headers"]:
        if each == name:
            return str(value, "latin-1")
    return None


def preferred_type(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered media type the header ``Accept`` likes best, or None if it refuses them all.

    Ties go to the order of ``offered``; no header accepts everything (RFC 9110, 12.5.1).
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    best, best_quality = None, 0.0
    for candidate in offered:
        main_type = candidate.partition("/")[0]
        # The most specific range decides, whatever its quality.
        for pattern in (candidate, f"{main_type}/*", "*/*"):
            qualities = [quality for media, quality in ranges if media == pattern]
            if qualities:
                if max(qualities) > best_quality:
                    best, best_quality = candidate, max(qualities)
                break
    return best


def _media_range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(text)
            except ValueError:
                return media, 0.0
            return media, quality if 0.0 <= quality <= 1.0 else 0.0
    return media, 1.0


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the header ``Accept-Encoding`` allows it (RFC 9110, 12.5.3); without one, it may not.

    ``gzip;q=0`` names it to refuse it.
    """
    qualities = dict(_media_range(part) for part in accept_encoding.split(",") if part.strip())
    for name in ("gzip", "x-gzip", "*"):
        if name in qualities:
            return qualities[name] > 0.0
    return False


def preferred_wait(headers: Headers) -> float | None:
    """Seconds that ``Prefer: wait=N`` asks for, at most ``LONGEST_WAIT_SECONDS`` (RFC 7240).

    A preference that cannot be understood is ignored, as the standard says.
    """
    for value in headers.getlist("prefer"):
        for preference in re.split(r"[,;]", value):
            name, _, text = preference.partition("=")
            if name.strip().lower() != "wait":
                continue
            digits = text.strip().strip('"')
            if re.fullmatch(r"[0-9]{1,9}", digits):
                return min(float(digits), LONGEST_WAIT_SECONDS)
    return None


def matches_etag(if_none_match: str | None, etag: str) -> bool:
    """Whether the header names this entity tag; weak comparison (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def retry_after(seconds_left: float | None) -> str:
    """Seconds until asking again makes sense: the time left, between 1 and 30 seconds."""
    if seconds_left is None or not math.isfinite(seconds_left):
        return "1"
    return str(min(30, max(1, math.ceil(seconds_left))))
