"""Families of fixed points at any width: short calls, answered at once."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, FiniteFloat
from starlette.responses import Response

from relu_landscape_api.answering.answers import Responses, problem_docs
from relu_landscape_api.dependencies import Service
from relu_landscape_api.reading.fields import query_model, schema_of

router = APIRouter(tags=["families"])

#: The engine's own bound: beyond it the smallest eigenvalues drown in rounding.
LARGEST_FAMILY_WIDTH = 10**9
#: A family takes well below a second; ten mean that something is wrong or too much was asked.
_TIMEOUT_SECONDS = 10.0


Width = Annotated[int, Field(ge=1, le=LARGEST_FAMILY_WIDTH, strict=True)]
RealWidth = Annotated[FiniteFloat, Field(ge=1, le=LARGEST_FAMILY_WIDTH)]
Structure = Annotated[str, Field(min_length=1, max_length=200)]
Branch = Annotated[int, Field(ge=1, le=1000, strict=True)]


class FamilyQuery(BaseModel):
    """One family at one width."""

    model_config = ConfigDict(extra="forbid")

    student_width: Width = Field(
        validation_alias=AliasChoices("student_width", "width"),
        description="number of ReLU units of the student (short form: width)",
    )
    teacher_width: Width = Field(
        validation_alias=AliasChoices("teacher_width", "K"),
        description="number of ReLU units of the teacher (short form: K)",
    )
    structure: Structure = Field(
        description="a structure such as '1+16' or '1+*', or a family such as 'one-anti-aligned'"
    )
    branch: Branch | None = Field(
        None,
        description="number of one of the structure's points, by loss; left out: the minimum of "
        "lowest loss",
    )
    certify: bool = Field(
        False, description="also a computer-assisted proof, by the reduced method, at any width"
    )


class ContinuationQuery(BaseModel):
    """One family along real width."""

    model_config = ConfigDict(extra="forbid")

    structure: Structure = Field(
        description="a family such as 'one-anti-aligned', or a structure with * for the sizes that "
        "grow, such as '1+*'"
    )
    from_width: RealWidth = Field(description="teacher width from which the family is followed")
    to_width: RealWidth = Field(description="teacher width to which it is followed")
    points: int = Field(
        50, ge=2, le=1000, strict=True, description="widths that are reported, geometric"
    )
    branch: Branch | None = Field(
        None, description="number of one of the structure's points at from_width, by loss"
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
    asked = _asked(request, FamilyQuery)
    if not asked["certify"]:
        del asked["certify"]
    return await _computed(service, "family", asked)


@router.get(
    "/v1/families/continuation",
    summary="A family along real width",
    responses=_ANSWER | problem_docs(422),
)
async def continuation(request: Request, service: Service) -> Response:
    """A family along real width, with the widths at which its stability changes."""
    asked = _asked(request, ContinuationQuery)
    return await _computed(service, "continuation", {"family": asked.pop("structure"), **asked})


def _asked(request: Request, model: type[BaseModel]) -> dict[str, Any]:
    query = query_model(request.query_params.multi_items(), model, schema_of(model))
    return query.model_dump(exclude_none=True)


async def _computed(service: Service, function: str, arguments: dict[str, Any]) -> Response:
    answer = await service.compute(function, arguments, timeout_seconds=_TIMEOUT_SECONDS)
    return Response(
        orjson.dumps(answer),
        media_type="application/json",
        headers={"Cache-Control": "no-cache"},
    )
