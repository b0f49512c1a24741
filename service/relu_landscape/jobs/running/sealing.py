"""From what a composition returns to the bytes that are stored and served."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from relu_landscape.analyses import Analysis
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import Provenance
from relu_landscape.wire.requests import AnalysisRequest


def seal(
    analysis: Analysis, job: str, request: AnalysisRequest, body: Wire, made_by: Provenance
) -> bytes:
    """The stored bytes of a result: validated, keys sorted, with provenance and digest.

    ``digest`` is the SHA-256 of the same bytes without the members ``digest`` and ``provenance``.
    Raises ``pydantic.ValidationError`` where the body is not what the analysis declares.
    """
    model = analysis.result.model_validate(
        {
            **body.model_dump(mode="json"),
            "id": job,
            "request": request.canonical(),
            "provenance": made_by.model_dump(),
            "digest": "",
        }
    )
    whole = model.model_dump(mode="json")
    whole["digest"] = digest(whole)
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def seal_parts(parts: Mapping[str, Wire]) -> dict[str, bytes]:
    """The stored bytes of each part of a result."""
    return {
        key: orjson.dumps(part.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        for key, part in parts.items()
    }


def digest(result: Mapping[str, object]) -> str:
    """SHA-256 (64 hexadecimal digits) of a result's canonical bytes."""
    core = {name: value for name, value in result.items() if name not in ("digest", "provenance")}
    return hashlib.sha256(orjson.dumps(core, option=orjson.OPT_SORT_KEYS)).hexdigest()


def whole_part(analysis: Analysis, result: bytes, details: bytes | None, key: str) -> JsonObject:
    """A part's overview and details in one object.

    Raises ``KeyError`` where the result lists no such part.
    """
    if analysis.parts is None:
        raise KeyError(key)
    for overview in orjson.loads(result)[analysis.parts.collection]:
        if overview["key"] == key:
            return {**overview, **(orjson.loads(details) if details else {})}
    raise KeyError(key)
