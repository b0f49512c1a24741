"""A backup is every result, and a store that is restored from it has them by digest."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from relu_landscape.errors import InputError
from relu_landscape.jobs import backup as backups
from relu_landscape.jobs.backup import Kept, back_up, restore
from relu_landscape.jobs.listing import EVERYTHING
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.jobs.store.archive import Archive, FolderPlace
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.bundle import Bundle
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, REQUEST, submitted
from tests.service.jobs.store.contents import Contents
from tests.service.jobs.store.test_shelf import empty

JOBS = [f"{n:064x}" for n in range(3, 0, -1)]


@pytest.fixture
def contents(target: Target, settings: Settings) -> Iterator[Contents]:
    with target.connect() as client:
        yield Contents(client, settings.redis_prefix)


@pytest.fixture
def kept(settings: Settings, target: Target) -> Iterator[Kept]:
    """The store of this test alone."""
    shelf = Shelf(target, settings, patience=1.0, stop=threading.Event())
    yield Kept(shelf, None)
    shelf.close()


def result_of(job: str) -> bytes:
    document: dict[str, Any] = {"id": job, "loss": 0.5, "rest": "x" * 500}
    return orjson.dumps(document | {"digest": digest(document)})


async def three(asking: AskingStore, claims: ClaimingStore) -> None:
    """Three finished jobs, one that failed and one that waits."""
    for job in JOBS:
        claim = await submitted(asking, claims, job)
        claims.finish(claim, result_of(job), {"m1": b"[1]"})
    claims.stop(await submitted(asking, claims, "f" * 64), "failed", "why")
    await asking.submit("e" * 64, KIND, REQUEST)


async def test_a_restored_store_has_every_result_by_digest(
    asking: AskingStore,
    claims: ClaimingStore,
    kept: Kept,
    contents: Contents,
    tmp_path: Path,
    lists: ListingStore,
) -> None:
    """Statuses, parts and the order of lists too; restored twice is restored once."""
    await three(asking, claims)
    before = {job: await asking.status(job) for job in JOBS}
    assert back_up(kept, tmp_path / "b.tar") == 3
    assert _names(tmp_path) == ["b.tar"]
    empty(contents)
    done = restore(kept, tmp_path / "b.tar")
    assert (done.restored, done.there, done.refused) == (JOBS, [], {})
    for job in JOBS:
        found = await asking.result(job)
        assert found == result_of(job)
        document = orjson.loads(found)
        assert document["digest"] == digest(document)
        assert await asking.details(job, "m1") == b"[1]"
        assert await asking.status(job) == before[job]
    page = await lists.page(EVERYTHING, None, 9)
    assert [item.id for item in page.items] == JOBS[::-1]
    whole = contents.all()
    again = restore(kept, tmp_path / "b.tar")
    assert (again.restored, again.there, again.refused) == ([], JOBS, {})
    assert contents.all() == whole


async def test_the_archive_is_backed_up_and_restored_as_well(
    asking: AskingStore, claims: ClaimingStore, kept: Kept, contents: Contents, tmp_path: Path
) -> None:
    await three(asking, claims)
    both = Kept(kept.shelf, Archive(FolderPlace(tmp_path / "kept"), "here"))
    assert both.archive is not None
    bundles = [bundle for job in JOBS if (bundle := kept.shelf.bundle(job)) is not None]
    both.archive.put(bundles[0])
    contents.client.delete(contents.key(f"result:{JOBS[0]}"))
    both.archive.put(bundles[1])  # in both: once in the backup
    assert back_up(both, tmp_path / "b.tar") == 3
    empty(contents)
    both.archive.remove(JOBS[1])
    assert restore(both, tmp_path / "b.tar").restored == JOBS
    assert [both.archive.get(job) for job in JOBS] == bundles


async def test_the_archive_has_a_restored_job_before_the_store_may_forget_it(
    asking: AskingStore, claims: ClaimingStore, kept: Kept, contents: Contents, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await three(asking, claims)
    back_up(kept, tmp_path / "b.tar")
    empty(contents)
    archive, restored = Archive(FolderPlace(tmp_path / "kept"), "here"), kept.shelf.restore

    def checked(bundle: Bundle) -> str:
        assert archive.get(bundle.job) == bundle
        return restored(bundle)

    monkeypatch.setattr(kept.shelf, "restore", checked)
    assert restore(Kept(kept.shelf, archive), tmp_path / "b.tar").restored == JOBS


async def test_a_job_that_runs_here_is_left_to_run(
    asking: AskingStore, claims: ClaimingStore, kept: Kept, contents: Contents, tmp_path: Path
) -> None:
    await three(asking, claims)
    back_up(kept, tmp_path / "b.tar")
    empty(contents)
    await submitted(asking, claims, JOBS[1])
    done = restore(kept, tmp_path / "b.tar")
    assert done.restored == [JOBS[0], JOBS[2]]
    assert done.refused == {JOBS[1]: "a job of this id is running here; it finishes by itself"}


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _changed(path: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """The same tar with each member as ``change`` would have it; None leaves it out."""
    members = []
    with tarfile.open(path) as tar:
        for info in tar:
            file = tar.extractfile(info)
            assert file is not None
            members.append((info.name, change(info.name, file.read())))
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            if data is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def _flip(name: str, data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1]) if JOBS[1] in name else data


def _drop(name: str, data: bytes) -> bytes | None:
    return None if JOBS[1] in name else data


def _swap(name: str, data: bytes) -> bytes:
    """A whole bundle, and not the one of the manifest."""
    if JOBS[1] not in name:
        return data
    bundle = Bundle.from_bytes(JOBS[1], data)
    return Bundle(bundle.job, bundle.fields, bundle.result, {}).to_bytes()


def _forge(name: str, data: bytes) -> bytes:
    """Bundle and manifest agree, but the result is not what its digest says."""
    bundle = Bundle(JOBS[1], {"kind": KIND, "created": "1"}, result_of(JOBS[1]), {})
    wrong = Bundle(bundle.job, bundle.fields, bundle.result.replace(b"0.5", b"0.4"), {}).to_bytes()
    if JOBS[1] in name:
        return wrong
    if name != "manifest.json":
        return data
    document = orjson.loads(data)
    for each in document["jobs"]:
        if each["id"] == JOBS[1]:
            each["sha256"] = hashlib.sha256(wrong).hexdigest()
    return orjson.dumps(document)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_flip, "another SHA-256 than the manifest"), (_swap, "another SHA-256 than the manifest"),
     (_drop, "is missing"), (_forge, "another id or digest")],
)  # fmt: skip
async def test_what_is_damaged_is_refused_by_name_and_the_rest_restored(
    asking: AskingStore, claims: ClaimingStore, kept: Kept, contents: Contents, tmp_path: Path,
    change: Callable[[str, bytes], bytes | None], reason: str,
) -> None:  # fmt: skip
    await three(asking, claims)
    back_up(kept, tmp_path / "b.tar")
    _changed(tmp_path / "b.tar", change)
    empty(contents)
    done = restore(kept, tmp_path / "b.tar")
    assert done.restored == [JOBS[0], JOBS[2]]
    assert done.refused.keys() == {JOBS[1]}
    assert reason in done.refused[JOBS[1]]
    assert await asking.result(JOBS[1]) is None


def _rename(name: str, data: bytes) -> bytes:
    return data.replace(JOBS[0].encode(), b"../x") if name == "manifest.json" else data


@pytest.mark.parametrize(
    ("change", "reason"),
    [(lambda name, data: None if name == "manifest.json" else data, "no manifest"),
     (lambda name, data: data.replace(b"backup 1", b"backup 2"), "this release reads"),
     (_rename, "no content id")],
)  # fmt: skip
async def test_a_file_that_is_no_whole_backup_is_refused_as_a_whole(
    asking: AskingStore, claims: ClaimingStore, kept: Kept, contents: Contents, tmp_path: Path,
    change: Callable[[str, bytes], bytes | None], reason: str,
) -> None:  # fmt: skip
    await three(asking, claims)
    back_up(kept, tmp_path / "b.tar")
    _changed(tmp_path / "b.tar", change)
    empty(contents)
    with pytest.raises(InputError, match=reason):
        restore(kept, tmp_path / "b.tar")
    assert contents.all() == {}


def test_a_file_cut_short_or_of_another_kind_is_refused(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"no tar at all" * 100)
    with pytest.raises(InputError, match="cannot be read as a backup"):
        restore(kept, tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        restore(kept, tmp_path / "none")


async def test_a_backup_that_fails_leaves_the_old_one(
    asking: AskingStore, claims: ClaimingStore, kept: Kept, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await three(asking, claims)
    (tmp_path / "b.tar").write_bytes(b"old")

    def full(file: int) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        back_up(kept, tmp_path / "b.tar")
    assert _names(tmp_path) == ["b.tar"]
    assert (tmp_path / "b.tar").read_bytes() == b"old"


async def test_a_service_s_own_store_is_backed_up_while_it_runs(folder: Path) -> None:
    """By the settings alone: the store is the one that is there, or is started for it."""
    settings = Settings.load(data_dir=folder)
    with backups.kept(settings) as outer, backups.kept(settings) as inner:
        bundle = Bundle(JOBS[0], {"kind": KIND, "created": "1"}, result_of(JOBS[0]), {})
        assert outer.shelf.restore(bundle) == "restored"
        assert inner.shelf.bundle(JOBS[0]) == bundle
    with backups.kept(settings) as later:
        assert back_up(later, folder.parent / "b.tar") == 1
