"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``remedy`` is empty where nothing is to be done."""

    name: str
    verdict: Literal["ok", "note", "problem"]
    says: str
    remedy: str = ""
