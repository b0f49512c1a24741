"""What a landscape will take, said by the server before it computes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from relu_landscape_client._decode import OURS, Document, mapping, number, required


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a landscape will take if nothing of it is known yet.

    ``request`` is the question with every default. ``seconds`` are processor seconds of one core
    by phase, ``core_seconds`` their sum; ``stored_bytes`` go into the store, ``worker_bytes`` is
    the most memory of one worker. Nine of ten landscapes that were measured lie within ``factor``
    of it; with ``is_extrapolated`` nothing like it was measured, and the numbers are orders of
    magnitude.
    """

    request: Mapping[str, Any]
    seconds: Mapping[str, float]
    core_seconds: float
    stored_bytes: float
    worker_bytes: float
    factor: float
    is_extrapolated: bool
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Estimate:
        """Read an answer of ``GET /v1/estimate``; raises ``ProtocolError``."""
        phases = mapping(required(document, "seconds"))
        return cls(
            request=mapping(required(document, "request")),
            seconds={str(name): number(spent) for name, spent in phases.items()},
            core_seconds=number(required(document, "core_seconds")),
            stored_bytes=number(required(document, "stored_bytes")),
            worker_bytes=number(required(document, "worker_bytes")),
            factor=number(required(document, "factor")),
            is_extrapolated=bool(required(document, "is_extrapolated")),
            document=document,
        )
