"""Results on disk under their content id, which never change and so never grow stale.

A file holds a line with the SHA-256 of what follows, then the result as JSON. It is written aside
and renamed, so that a reader sees all or nothing; one that does not match its checksum counts as
absent and is replaced. A folder that cannot be written to costs the cache, never the result.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f]{64}")
#: A landscape of width 18 takes about 100 kB: room for ten thousand of them.
LIMIT_BYTES = 1 << 30


def default_folder() -> Path:
    """The platform's folder for caches."""
    from platformdirs import user_cache_path

    return user_cache_path("relu-landscape-client", appauthor=False)


class Cache:
    """Results by content id; ``folder`` None remembers nothing."""

    def __init__(self, folder: Path | None, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def load(self, landscape_id: str) -> dict[str, Any] | None:
        """The result under ``landscape_id``, or None where there is none that is whole."""
        document = self._read(self._file(landscape_id))
        if document is None or document.get("id") != landscape_id or "digest" not in document:
            return None
        return document

    def save(self, landscape_id: str, document: Mapping[str, Any]) -> None:
        """Keep a result."""
        path = self._file(landscape_id)
        if path is not None and self._read(path) is None:
            self._write(path, document)
            self._prune(keep=path)

    def id_of(self, request: Mapping[str, Any], served_by: str | None) -> str | None:
        """The id under which this request was answered before, by the same algorithm."""
        entry = self._read(self._request_file(request, served_by))
        return None if entry is None else str(entry.get("id"))

    def remember(
        self, request: Mapping[str, Any], served_by: str | None, landscape_id: str
    ) -> None:
        """Remember which id belongs to a request."""
        path = self._request_file(request, served_by)
        if path is not None and _ID.fullmatch(landscape_id):
            self._write(path, {"id": landscape_id})

    def _file(self, landscape_id: str) -> Path | None:
        # The id becomes a file name: nothing but the 64 digits of a content id may.
        if self.folder is None or not _ID.fullmatch(landscape_id):
            return None
        return self.folder / f"{landscape_id}.json"

    def _request_file(self, request: Mapping[str, Any], served_by: str | None) -> Path | None:
        if self.folder is None or served_by is None:
            return None
        try:
            text = json.dumps([served_by, request], sort_keys=True, allow_nan=False)
        except (TypeError, ValueError):
            return None  # not a request that a server would accept, or NumPy scalars in it
        return self.folder / f"request-{hashlib.sha256(text.encode()).hexdigest()}.json"

    def _read(self, path: Path | None) -> dict[str, Any] | None:
        if path is None:
            return None
        try:
            checksum, _, body = path.read_bytes().partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != checksum:
                _log.warning("the cached file %s is damaged and will be replaced", path)
                return None
            document = json.loads(body)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("the cached file %s cannot be read: %s", path, error)
            return None
        return document if isinstance(document, dict) else None

    def _write(self, path: Path, document: Mapping[str, Any]) -> None:
        body = json.dumps(document, separators=(",", ":")).encode()
        content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            _log.warning("nothing is cached in %s: %s", path.parent, error)

    def _prune(self, keep: Path) -> None:
        """Remove the oldest files until the rest fits into the limit."""
        try:
            files = [
                (entry.stat().st_mtime, entry.stat().st_size, entry)
                for entry in keep.parent.glob("*.json")
            ]
            excess = sum(size for _, size, _ in files) - self.limit_bytes
            for _, size, entry in sorted(files):
                if excess <= 0:
                    break
                if entry != keep:
                    entry.unlink(missing_ok=True)
                    excess -= size
        except OSError as error:  # another process prunes at the same time
            _log.debug("pruning %s: %s", keep.parent, error)
