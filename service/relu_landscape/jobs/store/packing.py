"""What the store keeps of results and checkpoints: their bytes, by zstd where that gains.

Whoever reads gets the bytes that were written, so digests and entity tags know nothing of this. An
entry says by its first bytes which it is; those that an older release stored as they are, are read
as they are.
"""

from __future__ import annotations

import zstandard

#: First bytes of every zstd frame (RFC 8878, section 3.1.1). No JSON text begins so.
MAGIC = b"\x28\xb5\x2f\xfd"
#: Level 9 gains a tenth for five times the time, 19 a quarter for a hundred times (results of
#: K = 17 and 18, where this level takes 1 to 17 ms).
LEVEL = 3
#: Less than this hardly gets shorter.
LEAST_BYTES = 256


class DamagedError(ValueError):
    """A stored entry begins as a frame does, and is none, or is not the one that was written."""


def pack(data: bytes) -> bytes:
    """``data`` as it is stored; never longer, but for bytes that look like a frame themselves.

    With zstd's own checksum (32 bits of XXH64), which ``unpack`` compares.
    """
    is_like_a_frame = data.startswith(MAGIC)
    if len(data) < LEAST_BYTES and not is_like_a_frame:
        return data
    # One for each call: a compressor may not be used by two threads at once.
    packed = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data)
    return packed if is_like_a_frame or len(packed) < len(data) else data


def unpack(stored: bytes) -> bytes:
    """The bytes that ``pack`` was given, or ``stored`` itself. Raises ``DamagedError``."""
    if not stored.startswith(MAGIC):
        return stored
    try:
        return zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DamagedError(str(error)) from error
