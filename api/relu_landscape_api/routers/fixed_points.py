"""One fixed point in full."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from relu_landscape_api.answering.answers import Responses, problem_docs
from relu_landscape_api.answering.npz import NPZ_TYPE, to_npz
from relu_landscape_api.dependencies import LandscapeId, Service
from relu_landscape_api.reading.negotiation import preferred_type

router = APIRouter(tags=["landscapes"])

_JSON_TYPE = "application/json"


_POINT: Responses = {
    200: {
        "description": "the fixed point of the landscape and its details; as NPZ, its arrays by "
        "name and the rest as JSON text under `document`",
        "content": {
            _JSON_TYPE: {"schema": {"type": "object"}},
            NPZ_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.get(
    "/v1/landscapes/{id}/fixed-points/{key}",
    summary="One fixed point with weights and all eigenvalues",
    responses=_POINT | problem_docs(404, 406, 409),
)
async def read(
    id: LandscapeId,  # noqa: A002 - the name in the path
    key: Annotated[str, Path(description="key of the fixed point in the landscape, such as m1")],
    request: Request,
    service: Service,
) -> Response:
    """JSON, or a NumPy archive with `Accept: application/x-npz`."""
    chosen = preferred_type(request.headers.get("accept"), (_JSON_TYPE, NPZ_TYPE))
    if chosen is None:
        raise HTTPException(406, f"This can be answered as {_JSON_TYPE} or as {NPZ_TYPE}.")
    point = await service.fixed_point(id, key)
    headers = {"Vary": "Accept", "Cache-Control": "no-cache"}
    if chosen == _JSON_TYPE:
        return Response(orjson.dumps(point), media_type=_JSON_TYPE, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{id[:12]}-fixed-point.npz"'
    return Response(to_npz(point), media_type=NPZ_TYPE, headers=headers)
