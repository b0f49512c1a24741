"""Landscapes in files: strict JSON, and NPZ with the arrays beside the whole document."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relu_landscape_client import _decode
from relu_landscape_client.errors import FileError

#: The first bytes of a ZIP archive, which an NPZ file is.
_ZIP = b"PK\x03\x04"


def write_json(document: _decode.Document, path: str | Path | None) -> str:
    """Strict JSON text of ``document``, also written to ``path`` where given."""
    return write_text(_decode.strict_json(document), path)


def write_text(text: str, path: str | Path | None) -> str:
    """The text as it is, also written to ``path`` where given."""
    if path is not None:
        replace(Path(path), lambda name: name.write_text(text, encoding="utf-8"))
    return text


def write_npz(path: str | Path, document: _decode.Document, arrays: Mapping[str, Any]) -> None:
    """Arrays by name, and the document as bytes, so that nothing is lost."""
    import numpy as np

    whole = np.frombuffer(_decode.strict_json(document).encode(), dtype=np.uint8)

    def write(name: Path) -> None:
        with name.open("wb") as file:
            np.savez_compressed(file, document=whole, **arrays)

    replace(Path(path), write)


def replace(path: Path, write: Any) -> None:
    """Write aside, then rename: a crash leaves the old file or the new one, never half of one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(Path(name))
        # A temporary file is private; a saved result gets what any new file would get.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: str | Path) -> dict[str, Any]:
    """The document in a JSON or NPZ file, told apart by their first bytes."""
    content = Path(path).read_bytes()
    try:
        document = json.loads(_from_npz(Path(path)) if content.startswith(_ZIP) else content)
    except (ValueError, KeyError, OSError, RecursionError, zipfile.BadZipFile) as error:
        raise FileError(f"{path} holds no landscape: {error}") from error
    if not isinstance(document, dict) or "fixed_points" not in document:
        raise FileError(f"{path} holds no landscape: there are no fixed points in it")
    return document


def _from_npz(path: Path) -> bytes:
    import numpy as np

    # allow_pickle stays False, NumPy's default: a file from elsewhere cannot run code here.
    # NumPy leaves a file that it opened itself open where the archive is cut.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return bytes(arrays["document"].tobytes())
