"""What every JSON shape has in common."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue

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


def field_names(model: type[BaseModel]) -> dict[str, str]:
    """Every name that a field may be given under, with the field it stands for."""
    names = {}
    for name, field in model.model_fields.items():
        names[name] = name
        if isinstance(field.validation_alias, AliasChoices):
            names.update({str(choice): name for choice in field.validation_alias.choices})
    return names


def short_names(model: type[BaseModel]) -> dict[str, str]:
    """The short names of a model's fields, with the fields they stand for."""
    return {short: name for short, name in field_names(model).items() if short != name}
