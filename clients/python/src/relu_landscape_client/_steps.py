"""What a conversation with the server consists of.

A conversation is a generator that yields steps and is sent their replies. It touches neither
sockets nor clocks, so the same one serves the plain client and the asynchronous one.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from relu_landscape_client import _decode

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A successful HTTP answer (2xx or 304), read whole."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """The JSON object of the body."""
        return _decode.parse(self.body)


@dataclass(frozen=True)
class Call:
    """One HTTP call, repeated by the driver while that may help. The reply is an ``Answer``.

    Its body is ``json``, or an ``archive`` of NumPy arrays.

    Every call of the contract may be repeated: the same request has the same id, so a second
    ``POST`` joins the first one's computation.
    """

    method: str
    path: str
    json: Mapping[str, Any] | None = None
    archive: bytes | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listen:
    """Open the event stream at ``path``, behind ``last_event_id``. The reply: is it open?

    From ``until`` on (the driver's clock) the stream counts as broken.
    """

    path: str
    last_event_id: str | None = None
    until: float = math.inf


@dataclass(frozen=True)
class NextEvent:
    """The reply is the next ``Event`` of the open stream, or None once it ended or broke."""


@dataclass(frozen=True)
class Pause:
    """Wait. The reply is None."""

    seconds: float


@dataclass(frozen=True)
class Now:
    """The reply is the driver's monotonic clock, in seconds."""


@dataclass(frozen=True)
class Event:
    """One server-sent event; ``data`` is decoded JSON."""

    id: str
    name: str
    data: Any


Step = Call | Listen | NextEvent | Pause | Now
Conversation = Generator[Step, Any, T]
