"""Symmetric families: one point at any width, and a family along real width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from relu_landscape_client._decode import Document, number, required
from relu_landscape_client.points import Spectrum


@dataclass(frozen=True, eq=False)
class Family:
    """One symmetric fixed point; everything the server told is in ``document``."""

    kind: str
    loss: float
    spectrum: Spectrum
    document: Document = field(repr=False)

    @classmethod
    def from_document(cls, document: Document) -> Family:
        """Read an answer of ``GET /v1/families``."""
        stability: Mapping[str, Any] = document.get("stability") or {}
        lines = document.get("spectrum") or stability.get("spectrum") or ()
        return cls(
            kind=str(document.get("kind", "")),
            loss=number(required(document, "loss")),
            spectrum=Spectrum.from_document(lines),
            document=document,
        )


@dataclass(frozen=True, eq=False)
class Continuation:
    """A family along real width; everything the server told is in ``document``."""

    document: Document = field(repr=False)

    @classmethod
    def from_document(cls, document: Document) -> Continuation:
        """Read an answer of ``GET /v1/families/continuation``."""
        return cls(document=document)
