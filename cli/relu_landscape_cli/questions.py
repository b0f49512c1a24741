"""Questions that are answered here, without a server: checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from relu_landscape.errors import InputError

Question = TypeVar("Question", bound=BaseModel)


def validated(model: type[Question], values: Mapping[str, Any]) -> Question:
    """The question; ``InputError`` with a clause per field that cannot be used."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise InputError("; ".join(_clause(each) for each in found)) from error


def _clause(found: Any) -> str:
    ours = found.get("ctx", {}).get("error")
    if isinstance(ours, InputError):  # it names field and bounds itself
        return str(ours).rstrip(".")
    where = ".".join(map(str, found["loc"]))
    return f"{where} = {found['input']!r}: {found['msg']}"
