"""The atlas: overviews of the landscapes of many pairs of widths, computed beforehand."""

from __future__ import annotations

import gzip
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from relu_landscape.wire.atlas import Atlas, AtlasQuery
from relu_landscape.wire.widths import width_notice
from relu_landscape_api.answering.answers import noticed, static_response
from relu_landscape_api.openapi import Responses, answer_docs, problem_docs, query_docs
from relu_landscape_api.reading.fields import query_model, query_pairs, schema_of

router = APIRouter(tags=["atlas"])

_UNCHANGED: Responses = {
    304: {"description": "the atlas under the entity tag of If-None-Match is still right"}
}
#: Answers kept: the whole, and what is asked of it over and over, such as its diagonal.
_AT_HAND = 64


@router.get(
    "/v1/atlas",
    summary="Overviews of the landscapes of many widths",
    operation_id="atlas",
    responses=answer_docs(200, "the cells asked for", Atlas) | _UNCHANGED | problem_docs(422),
    openapi_extra={"parameters": query_docs(schema_of(AtlasQuery))},
)
async def atlas(request: Request) -> Response:
    """Every pair of student and teacher width that the atlas has, or those of one width of either.

    Computed beforehand and installed with the service: nothing is computed, and a pair that the
    atlas lacks is left out.
    """
    pairs = query_pairs(request)
    asked = query_model(pairs, AtlasQuery, schema_of(AtlasQuery))
    response = static_response(request, _answer(asked.student_width, asked.teacher_width))
    return noticed(response, width_notice([name for name, _ in pairs], asked))


@lru_cache(maxsize=_AT_HAND)
def _answer(student_width: int | None, teacher_width: int | None) -> bytes:
    """The atlas with the cells of these widths; None: of any."""
    wanted = {"student_width": student_width, "teacher_width": teacher_width}
    given = {name: width for name, width in wanted.items() if width is not None}
    if not given:
        return _installed()
    document: dict[str, Any] = orjson.loads(_installed())
    document["cells"] = [
        cell
        for cell in document["cells"]
        if all(cell[name] == width for name, width in given.items())
    ]
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


@cache
def _installed() -> bytes:
    """The atlas as JSON; a file of the Python client, which opens it without a server."""
    packed = files("relu_landscape_client").joinpath("data", "atlas.json.gz").read_bytes()
    return gzip.decompress(packed)
