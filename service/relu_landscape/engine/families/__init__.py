"""Symmetric families of critical points: found, followed to any width, and described there.

The names here are imported when they are first used: a landscape that needs a structure's name does
not need the certificates behind an answer.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relu_landscape.engine.families.answers import (
        continuation_answer,
        family_answer,
        leaks_answer,
    )

__all__ = ["continuation_answer", "family_answer", "leaks_answer"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.answers"), name)
