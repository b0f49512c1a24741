"""What every JSON shape has in common."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

#: A JSON object whose members only its reader knows.
JsonObject: TypeAlias = dict[str, JsonValue]


class Wire(BaseModel):
    """A JSON object whose members are all known; frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


#: An integer that may be larger than JSON numbers hold exactly.
Count = Annotated[
    int | Annotated[str, Field(pattern=r"^-?[0-9]+$")],
    Field(description="an integer; beyond 2^53, where JSON numbers stop being exact, its digits"),
]
