"""The shapes of OGC API - Processes, Part 1: Core 1.0 (OGC 18-062r2), as far as they are ours."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from relu_landscape.wire.base import Wire


class OgcObject(BaseModel):
    """An object that the standard defines: its members are those of the standard's schemas."""

    model_config = ConfigDict(extra="allow")

    links: list[dict[str, str]] = Field(default_factory=list, description="where else to look")


class OgcExecute(Wire):
    """What to compute."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"inputs": {"student_width": 3, "teacher_width": 3}}]}
    )

    inputs: dict[str, Any] = Field(
        description="fields of the request, each as it is, as {value: ...} or {href: 'data:...'}"
    )
    outputs: dict[Literal["result"], dict[str, Any]] | None = Field(
        None, description="there is one, in JSON, and whole, whatever is said of it"
    )
    response: Literal["raw", "document"] = Field(
        "raw", description="whether results are the one output itself, or a document of outputs"
    )
