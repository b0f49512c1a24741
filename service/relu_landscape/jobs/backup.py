"""Every finished job in one file, and back into a store.

A backup is a tar of bundles (``store.bundle``), each a zstd frame with its own SHA-256, and of a
``manifest.json`` at the end that names them all with the SHA-256 of their bytes. It can be made of
a store that is in use: what is finished never changes, and each job is read as of one moment.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

import relu_landscape
from relu_landscape.errors import InputError
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.jobs.store.archive import SUFFIX, Archive, open_archive
from relu_landscape.jobs.store.bundle import Bundle, is_id
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.jobs.store.packing import DamagedError
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings

FORMAT = "relu-landscape backup 1"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Kept:
    """A store, and the archive beside it where there is one."""

    shelf: Shelf
    archive: Archive | None


@dataclass
class Restored:
    """What became of the jobs of a backup, by id: put back, there already, refused and why."""

    restored: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


@contextmanager
def kept(settings: Settings) -> Iterator[Kept]:
    """The store of these settings, started if no service uses it, and its archive.

    Raises ``ConfigurationError`` and ``StoreUnavailable``.
    """
    server = None if settings.redis_url else EmbeddedServer(settings)
    if server is not None:
        server.open()
    try:
        target = Target.external(settings) if server is None else server.target
        patience = settings.request_patience_seconds
        shelf = Shelf(target, settings, patience=patience, stop=threading.Event())
        try:
            yield Kept(shelf, open_archive(settings.archive))
        finally:
            shelf.close()
    finally:
        if server is not None:
            server.close()


def back_up(source: Kept, path: Path) -> int:
    """Write every finished job of store and archive into ``path``; how many.

    The file has its name only when it is whole and on the disk. Raises ``OSError`` where it cannot
    be written, ``StoreUnavailable``.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                entries = [_add(tar, bundle) for bundle in _bundles(source)]
                _member(tar, MANIFEST, orjson.dumps(
                    {"format": FORMAT, "version": relu_landscape.__version__,
                     "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "jobs": entries},
                    option=orjson.OPT_INDENT_2,
                ))  # fmt: skip
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return len(entries)


def restore(target: Kept, path: Path) -> Restored:
    """Put the jobs of a backup into the store, and into the archive where there is one.

    In the order in which they were first asked for, each only after its three digests were found
    right: that of the manifest, the bundle's own, and the result's. What is there already stays as
    it is. Raises ``InputError`` where the file is no backup, ``OSError`` where it cannot be read,
    ``StoreUnavailable``.
    """
    done = Restored()
    try:
        with tarfile.open(path, mode="r:") as tar:
            read = _Members(tar)
            for entry in sorted(_manifest(read, path), key=lambda each: float(each["created"])):
                job = entry["id"]
                try:
                    bundle = _checked(read, job, entry["sha256"])
                except DamagedError as error:
                    done.refused[job] = str(error)
                    continue
                _put(target, bundle, done)
    except tarfile.TarError as error:
        raise InputError(f"{path} cannot be read as a backup: {error}.") from error
    return done


def _put(target: Kept, bundle: Bundle, done: Restored) -> None:
    # The archive first: from then on the store may forget it.
    if target.archive is not None and target.archive.get(bundle.job) is None:
        target.archive.put(bundle)
    state = target.shelf.restore(bundle)
    if state in ("restored", "finished"):
        (done.restored if state == "restored" else done.there).append(bundle.job)
    else:
        done.refused[bundle.job] = f"a job of this id is {state} here; it finishes by itself"


def _bundles(source: Kept) -> Iterator[Bundle]:
    seen = set()
    for job in source.shelf.finished():
        bundle = source.shelf.bundle(job) if job not in seen else None  # a scan may say one twice
        if bundle is not None:
            seen.add(job)
            yield bundle
    for job in source.archive.jobs() if source.archive else ():
        bundle = source.archive.get(job) if source.archive and job not in seen else None
        if bundle is not None and not source.shelf.is_deleted(job):
            yield bundle


def _add(tar: tarfile.TarFile, bundle: Bundle) -> dict[str, str]:
    data = bundle.to_bytes()
    _member(tar, _name(bundle.job), data)
    return {
        "id": bundle.job,
        "created": bundle.fields.get("created", "0"),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), int(time.time()), 0o600
    tar.addfile(info, io.BytesIO(data))


def _manifest(read: _Members, path: Path) -> list[dict[str, Any]]:
    try:
        document = orjson.loads(read(MANIFEST))
        entries = document["jobs"] if document["format"] == FORMAT else None
        for each in entries or ():
            if not is_id(each["id"]) or not isinstance(each["sha256"], str):
                raise ValueError(f"{each['id']!r} is no content id")
            float(each["created"])
    except (DamagedError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no whole backup: no manifest ({error}).") from error
    if entries is None:
        raise InputError(f"{path} is a {document['format']!r}; this release reads {FORMAT!r}.")
    return list(entries)


def _checked(read: _Members, job: str, sha256: str) -> Bundle:
    """The bundle of this job. Raises ``DamagedError``."""
    data = read(_name(job))
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DamagedError("its bytes have another SHA-256 than the manifest says")
    bundle = Bundle.from_bytes(job, data)
    result = orjson.loads(bundle.result)
    if result.get("id") != job or result.get("digest") != digest(result):
        raise DamagedError("its result has another id or digest than it says")
    return bundle


class _Members:
    """The members of a tar by name; the tar itself would go through all of them for each."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._named = {member.name: member for member in tar.getmembers()}

    def __call__(self, name: str) -> bytes:
        """A member's bytes. Raises ``DamagedError`` where there is no such file."""
        member = self._named.get(name)
        file = None if member is None else self._tar.extractfile(member)
        if file is None:
            raise DamagedError(f"{name} is missing")
        with file:
            return file.read()


def _name(job: str) -> str:
    return f"jobs/{job}{SUFFIX}"
