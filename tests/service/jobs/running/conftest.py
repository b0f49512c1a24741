"""An archive beside a store, under a test's hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relu_landscape.jobs.running.archiving import Archivist
from relu_landscape.jobs.store.archive import Archive, FolderPlace
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from tests.service.jobs.store.contents import Contents

JOBS = [f"{n:064x}" for n in range(4)]


class Flaky(FolderPlace):
    """A folder that may be away, and that may be told to wait before it writes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.is_away = False
        self.may_write = threading.Event()
        self.may_write.set()
        self.is_writing = threading.Event()
        self.writes: list[str] = []

    def write(self, name: str, data: bytes) -> None:
        self.is_writing.set()
        assert self.may_write.wait(60)
        if self.is_away:
            raise OSError("it is away")
        self.writes.append(name)
        super().write(name, data)


@pytest.fixture
def contents(target: Target, settings: Settings) -> Iterator[Contents]:
    with target.connect() as client:
        yield Contents(client, settings.redis_prefix)


@pytest.fixture
def place(tmp_path: Path) -> Flaky:
    return Flaky(tmp_path / "kept")


@pytest.fixture
def make(target: Target, settings: Settings, place: Flaky) -> Iterator[Callable[..., Archivist]]:
    opened: list[Archivist] = []

    def archivist(**changes: Any) -> Archivist:
        chosen = settings.model_copy(update=changes)
        closing = threading.Event()
        shelf = Shelf(target, chosen, patience=1.0, stop=closing)
        made = Archivist(Archive(place, "here"), shelf, closing, retry_seconds=0.01)
        opened.append(made)
        return made

    yield archivist
    place.may_write.set()
    for each in opened:
        each.close()


@pytest.fixture
def deleting(target: Target, settings: Settings) -> Callable[[str, str], str | None]:
    """One call of a ``KeepingStore`` by its name, for those that wait for nothing."""

    async def call(name: str, job: str) -> str | None:
        keeping = KeepingStore(target, settings.model_copy(update={"archive": "/somewhere"}))
        try:
            answer: str | None = await getattr(keeping, name)(job)
            return answer
        finally:
            await keeping.close()

    return lambda name, job: asyncio.run(call(name, job))
