"""Programs compiled for a GPU, kept in a folder for every process of a user.

Beside CuPy's own, and named by the same variable, so that whoever keeps one keeps the other.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

#: Where CuPy keeps what it compiles.
VARIABLE = "CUPY_CACHE_DIR"
DEFAULT = "~/.cupy/kernel_cache"
DIGEST_BYTES = 32


def kept_in(folder: Path | None = None) -> Callable[[str, Callable[[], bytes]], bytes]:
    """What gives the program of a name: from the ``folder``, or made now and put there.

    A file that is not whole, or that something else wrote, is made anew; where the folder cannot be
    used every process makes its own.
    """
    # As CuPy does; ``Path`` would raise where nobody has a home.
    where = folder or Path(os.path.expanduser(os.environ.get(VARIABLE) or DEFAULT))  # noqa: PTH111

    def program(name: str, make: Callable[[], bytes]) -> bytes:
        path = where / f"relu-landscape-{name}.cubin"
        found = _read(path)
        if found is None:
            found = make()
            _write(path, found)
        return found

    return program


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, found = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    return found if hashlib.sha256(found).digest() == digest else None


def _write(path: Path, program: bytes) -> None:
    """The digest first; whole, or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".relu-landscape-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(program).digest() + program)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
    except OSError:
        return
