"""Families of fixed points at any width: short calls, answered at once."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Request
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, FiniteFloat
from starlette.responses import Response

from relu_landscape_api.answers import Responses, problem_docs
from relu_landscape_api.dependencies import Service
from relu_landscape_api.fields import query_model, schema_of

router = APIRouter(tags=["families"])

#: Widths are real numbers here; beyond 10^9 double precision cannot tell neighbours apart in the
#: spectrum.
LARGEST_FAMILY_WIDTH = 1e9
#: A family takes well below a second; ten mean that the pool is not answering.
_TIMEOUT_SECONDS = 10.0

Width = Annotated[FiniteFloat, Field(ge=1, le=LARGEST_FAMILY_WIDTH)]


class FamilyQuery(BaseModel):
    """One family at one width."""

    model_config = ConfigDict(extra="forbid")

    student_width: Width = Field(
        validation_alias=AliasChoices("student_width", "width"),
        description="number of ReLU units of the student (short form: width), real",
    )
    teacher_width: Width = Field(
        validation_alias=AliasChoices("teacher_width", "K"),
        description="number of ReLU units of the teacher (short form: K), real",
    )
    structure: str = Field(
        min_length=1, max_length=200, description="name of a structure, such as 'one-anti-aligned'"
    )
    branch: int | None = Field(
        None, ge=0, le=1000, strict=True, description="which of several points, by loss"
    )


class ContinuationQuery(BaseModel):
    """One family along real width."""

    model_config = ConfigDict(extra="forbid")

    structure: str = Field(
        min_length=1, max_length=200, description="name of a family, such as 'one-anti-aligned'"
    )
    from_width: Width = Field(description="teacher width at which the family is followed from")
    to_width: Width = Field(description="teacher width up to which it is followed")
    points: int = Field(
        50, ge=2, le=500, strict=True, description="widths at which the family is sampled"
    )
    branch: int | None = Field(
        None, ge=0, le=1000, strict=True, description="which of several points, by loss"
    )


_ANSWER: Responses = {
    200: {
        "description": "the family",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.get(
    "/v1/families",
    summary="One family at any width",
    responses=_ANSWER | problem_docs(422),
)
async def family(request: Request, service: Service) -> Response:
    """Loss, overlaps, spectrum and stability of a family at any width up to 10^9."""
    return await _computed(request, service, FamilyQuery, "family")


@router.get(
    "/v1/families/continuation",
    summary="A family along real width",
    responses=_ANSWER | problem_docs(422),
)
async def continuation(request: Request, service: Service) -> Response:
    """A family along real width, with the widths at which its stability changes."""
    return await _computed(request, service, ContinuationQuery, "continuation")


async def _computed(
    request: Request, service: Service, model: type[BaseModel], function: str
) -> Response:
    query = query_model(request.query_params.multi_items(), model, schema_of(model))
    arguments = query.model_dump(exclude_none=True)
    answer = await service.compute(function, arguments, timeout_seconds=_TIMEOUT_SECONDS)
    return Response(
        orjson.dumps(answer),
        media_type="application/json",
        headers={"Cache-Control": "no-cache"},
    )
