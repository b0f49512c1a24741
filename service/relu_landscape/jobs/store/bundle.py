"""A finished job in one piece: its status, its result and its parts, as bytes that are checked.

A bundle is what the archive and a backup keep of a job. Its bytes are a skippable frame with the
SHA-256 of what follows, and one zstd frame of JSON, so ``zstd -dc FILE`` shows it::

    {"id": ..., "job": {field: text}, "parts": {key: text}, "result": text}

The texts of result and parts are the stored bytes themselves, so what comes back has the digest
that it had.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from relu_landscape.jobs.store.packing import DamagedError, pack, unpack

#: Fields of a job's hash that outlive its computation.
FIELDS = (
    "kind", "needs", "request", "created", "started", "finished", "attempts", "progress", "error",
)  # fmt: skip
#: One more, of those that somebody pinned; two of those that somebody asked for or labelled.
PINNED = "pinned"
PERSONAL = (PINNED, "asked", "labels")
_IDS = re.compile(r"[0-9a-f]{64}")
#: A skippable frame (RFC 8878, section 3.1.2) of 32 bytes.
_HEAD = b"\x50\x2a\x4d\x18" + (32).to_bytes(4, "little")
_FIRST = len(_HEAD) + 32


@dataclass(frozen=True)
class Bundle:
    """A finished job: result and parts as served, ``fields`` of its hash.

    Those are ``FIELDS`` and ``PERSONAL``.
    """

    job: str
    fields: Mapping[str, str]
    result: bytes
    parts: Mapping[str, bytes]

    def to_bytes(self) -> bytes:
        """Equal bundles give equal bytes."""
        document = {
            "id": self.job,
            "job": dict(self.fields),
            "result": self.result.decode(),
            "parts": {key: part.decode() for key, part in self.parts.items()},
        }
        packed = pack(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))
        return _HEAD + hashlib.sha256(packed).digest() + packed

    @classmethod
    def from_bytes(cls, job: str, data: bytes) -> Bundle:
        """The bundle of this job. Raises ``DamagedError`` where these bytes are not that."""
        if not data.startswith(_HEAD) or len(data) <= _FIRST:
            raise DamagedError("it does not begin as a bundle does")
        checksum, packed = data[len(_HEAD) : _FIRST], data[_FIRST:]
        if hashlib.sha256(packed).digest() != checksum:
            raise DamagedError("its bytes have another SHA-256 than it says")
        try:
            document = orjson.loads(unpack(packed))
            if document["id"] != job:
                raise DamagedError(f"it is that of {document['id']}")
            return cls(
                job=job,
                fields={str(name): str(value) for name, value in document["job"].items()},
                result=document["result"].encode(),
                parts={key: part.encode() for key, part in document["parts"].items()},
            )
        except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError) as error:
            raise DamagedError(f"it cannot be read ({type(error).__name__}: {error})") from error


def is_id(name: str) -> bool:
    """Whether this is a content id, which is the only name that a bundle can have."""
    return _IDS.fullmatch(name) is not None
