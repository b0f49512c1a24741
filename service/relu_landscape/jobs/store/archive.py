"""Finished jobs outside of the store: a file each, named by the content id, checked when read.

A folder of this machine is written here, so that a file is whole and on the disk before it has its
name; buckets (``s3://``, ``gs://``, ``az://``) by the package obstore, if it is installed. What
has one id has one content, up to the seconds that it took and whether it is pinned.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from relu_landscape.errors import ConfigurationError, StoreUnavailable
from relu_landscape.jobs.store.bundle import Bundle, is_id
from relu_landscape.jobs.store.packing import DamagedError

logger = logging.getLogger(__name__)

SUFFIX = ".json.zst"
#: Where files go that are not what their name says; nothing there is ever read.
ASIDE = "damaged"
#: What a writer that was killed has left is dropped after this; one that lives takes no so long.
LEFT_SECONDS = 3600.0
#: A request waits for a bucket so long at most; obstore's own patience is three minutes.
_CLIENT = {"connect_timeout": "3s", "timeout": "10s"}
_RETRIES = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}


class Place(Protocol):
    """Bytes under names like ``ab/abcd.json.zst``. All raise ``OSError`` or what obstore raises."""

    def write(self, name: str, data: bytes) -> None:
        """All of it or nothing, also if the machine loses power; over what was there."""

    def read(self, name: str) -> bytes | None:
        """``None`` where there is nothing."""

    def remove(self, name: str) -> None:
        """Nothing happens where there is nothing."""

    def move(self, old: str, new: str) -> None:
        """Under another name, over what was there."""

    def names(self) -> Iterator[str]:
        """Every name."""

    def tidy(self) -> None:
        """Drop what killed writers have left."""


class Archive:
    """Bundles by content id, in a place. Every method blocks.

    All raise ``StoreUnavailable`` where the place does not answer, or has no room.
    """

    def __init__(self, place: Place, where: str) -> None:
        self._place = place
        self.where = where

    def put(self, bundle: Bundle) -> None:
        """Keep it; on the disk when this returns."""
        with self._asking():
            self._place.write(_name(bundle.job), bundle.to_bytes())

    def get(self, job: str) -> Bundle | None:
        """The bundle if it is here. A damaged one is moved aside, said in the log, and not here."""
        if not is_id(job):
            return None
        with self._asking():
            data = self._place.read(_name(job))
        if data is None:
            return None
        try:
            return Bundle.from_bytes(job, data)
        except DamagedError as error:
            aside = f"{ASIDE}/{job}{SUFFIX}"
            logger.error("%s in %s is damaged: %s; moved to %s", job, self.where, error, aside)
            with self._asking():
                self._place.move(_name(job), aside)
            return None

    def remove(self, job: str) -> None:
        """Keep it no longer."""
        with self._asking():
            self._place.remove(_name(job))

    def jobs(self) -> Iterator[str]:
        """Content ids of all that are here, in any order."""
        with self._asking():
            for name in self._place.names():
                folder, _, file = name.rpartition("/")
                job = file.removesuffix(SUFFIX)
                if is_id(job) and file.endswith(SUFFIX) and folder == job[:2]:
                    yield job

    def damaged(self) -> int:
        """How many were moved aside and still lie there."""
        with self._asking():
            return sum(name.startswith(f"{ASIDE}/") for name in self._place.names())

    def tidy(self) -> None:
        """Drop what killed writers have left."""
        with self._asking():
            self._place.tidy()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except _errors() as error:
            said = str(error).partition("\n")[0]  # obstore adds a page for debugging
            raise StoreUnavailable(f"The archive {self.where} does not answer: {said}.") from error


def open_archive(where: str | None) -> Archive | None:
    """The archive of this setting (``Settings.archive``); the folder is created.

    Raises ``ConfigurationError`` where it cannot be used.
    """
    if where is None:
        return None
    address = urlsplit(where)
    if address.scheme in ("", "file"):
        folder = Path(unquote(address.path)) if address.scheme else Path(where)
        try:
            return Archive(FolderPlace(folder), str(folder))
        except OSError as error:
            raise ConfigurationError(
                f"The archive {folder} cannot be written ({error}). Write another folder into "
                "RELU_LANDSCAPE_ARCHIVE."
            ) from error
    return Archive(BucketPlace(_bucket(where)), where)


class FolderPlace:
    """A folder of this machine, or one that it mounts; readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(folder.parent)
        probe = folder / f".{uuid.uuid4().hex}.tmp"
        probe.touch()
        probe.unlink()

    def write(self, name: str, data: bytes) -> None:
        """A file under another name first, then its bytes to the disk, then its name."""
        path = self._folder / name
        self._folder_of(path)
        temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync(path.parent)

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        path = self._folder / name
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            _sync(path.parent)

    def move(self, old: str, new: str) -> None:
        path = self._folder / new
        self._folder_of(path)
        with contextlib.suppress(FileNotFoundError):  # another process did
            (self._folder / old).replace(path)
            _sync(path.parent)

    def names(self) -> Iterator[str]:
        for folder in self._folder.iterdir():
            if folder.is_dir():
                yield from (f"{folder.name}/{file.name}" for file in folder.iterdir())

    def tidy(self) -> None:
        for path in self._folder.glob("*/.*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > LEFT_SECONDS:
                    path.unlink()

    def _folder_of(self, path: Path) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _sync(self._folder)


class BucketPlace:
    """A store of obstore, which writes an object whole or not at all."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._obstore = importlib.import_module("obstore")

    def write(self, name: str, data: bytes) -> None:
        self._obstore.put(self._store, name, data)

    def read(self, name: str) -> bytes | None:
        try:
            return bytes(self._obstore.get(self._store, name).bytes())
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._obstore.delete(self._store, name)

    def move(self, old: str, new: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # another process did
            self._obstore.rename(self._store, old, new)

    def names(self) -> Iterator[str]:
        for page in self._obstore.list(self._store):
            yield from (each["path"] for each in page)

    def tidy(self) -> None:
        """Nothing is ever left half done."""


def _name(job: str) -> str:
    return f"{job[:2]}/{job}{SUFFIX}"


def _sync(folder: Path) -> None:
    """A name is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _bucket(where: str) -> Any:
    try:
        return importlib.import_module("obstore.store").from_url(
            where, client_options=_CLIENT, retry_config=_RETRIES
        )
    except ImportError as error:
        raise ConfigurationError(
            f"The archive {where} needs the package obstore: pip install 'relu-landscape[bucket]'."
        ) from error
    except Exception as error:  # whatever obstore says of an address or of credentials
        raise ConfigurationError(f"The archive {where} cannot be used: {error}.") from error


@cache
def _errors() -> tuple[type[Exception], ...]:
    """What the calls of a place raise; obstore's own where it is installed."""
    try:
        return (OSError, importlib.import_module("obstore.exceptions").BaseError)
    except ImportError:
        return (OSError,)
