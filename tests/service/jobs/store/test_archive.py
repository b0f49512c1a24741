"""Bundles and the places that keep them: whole or not there, checked whenever they are read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from relu_landscape.errors import ConfigurationError, StoreUnavailable
from relu_landscape.jobs.store import archive as archives
from relu_landscape.jobs.store.archive import Archive, BucketPlace, FolderPlace, open_archive
from relu_landscape.jobs.store.bundle import FIELDS, Bundle
from relu_landscape.jobs.store.packing import DamagedError

JOB = "ab" + "0" * 62
OTHER = "ab" + "1" * 62
BUNDLE = Bundle(
    JOB, {"kind": "landscape", "error": ""}, b'{"loss":' + b"1" * 900 + b"}", {"m1": b"[1]"}
)


@pytest.fixture(params=["folder", "bucket"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    if request.param == "folder":
        return Archive(FolderPlace(tmp_path / "kept"), "here")
    return Archive(BucketPlace(MemoryStore()), "here")


def _raw(archive: Archive) -> Any:
    """The place behind it, for tests that spoil what lies there."""
    return archive._place


@given(
    st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=5)),
    st.text(max_size=300),
    st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=3),
)
def test_a_bundle_comes_back_from_its_bytes(
    fields: dict[str, str], result: str, parts: dict[str, str]
) -> None:
    whole = Bundle(JOB, fields, result.encode(), {k: v.encode() for k, v in parts.items()})
    assert Bundle.from_bytes(JOB, whole.to_bytes()) == whole
    again = Bundle(JOB, dict(reversed(fields.items())), whole.result, whole.parts)
    assert again.to_bytes() == whole.to_bytes()


@given(st.data())
@settings(max_examples=200)
def test_no_byte_of_a_bundle_can_change_unnoticed(data: st.DataObject) -> None:
    whole = BUNDLE.to_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255))
    for broken in (bytes(changed), whole[:place]):
        with pytest.raises(DamagedError):
            Bundle.from_bytes(JOB, broken)
    with pytest.raises(DamagedError, match=f"that of {JOB}"):
        Bundle.from_bytes(OTHER, whole)


@pytest.mark.skipif(shutil.which("zstd") is None, reason="there is no zstd on the PATH")
def test_a_bundle_is_read_by_the_ordinary_tool() -> None:
    answer = subprocess.run(["zstd", "-dc"], input=BUNDLE.to_bytes(), capture_output=True)
    assert orjson.loads(answer.stdout)["result"].encode() == BUNDLE.result


def test_what_is_kept_is_read_listed_and_removed(archive: Archive) -> None:
    assert archive.get(JOB) is None
    assert list(archive.jobs()) == []
    archive.put(BUNDLE)
    archive.put(BUNDLE)
    assert archive.get(JOB) == BUNDLE
    assert archive.get(OTHER) is None
    _raw(archive).write("no/notes.json.zst", b"of somebody else")
    _raw(archive).write(f"no/{JOB}.json.zst", b"of somebody else")
    assert list(archive.jobs()) == [JOB]
    archive.remove(JOB)
    archive.remove(JOB)
    assert archive.get(JOB) is None
    assert list(archive.jobs()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "AB" + "0" * 62, JOB[:-1]])
def test_nothing_but_content_ids_is_looked_for(archive: Archive, name: str) -> None:
    assert archive.get(name) is None


def test_a_damaged_file_is_moved_aside_and_said(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    archive.put(BUNDLE)
    whole = BUNDLE.to_bytes()
    _raw(archive).write(f"ab/{JOB}.json.zst", whole[:-1])
    assert archive.get(JOB) is None
    assert f"{JOB} in here is damaged" in caplog.text
    assert list(archive.jobs()) == []
    assert archive.damaged() == 1
    assert _raw(archive).read(f"damaged/{JOB}.json.zst") == whole[:-1]
    archive.put(BUNDLE)
    assert archive.get(JOB) == BUNDLE


def test_a_file_under_another_name_is_not_served(archive: Archive) -> None:
    _raw(archive).write(f"ab/{OTHER}.json.zst", BUNDLE.to_bytes())
    assert archive.get(OTHER) is None
    assert archive.damaged() == 1


class KilledError(BaseException):
    """``kill -9``, as far as a test in one process can have it: nothing after it runs."""


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_who_is_killed_while_writing_leaves_the_old_file_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    archive = Archive(FolderPlace(tmp_path), "here")
    archive.put(BUNDLE)
    newer = Bundle(JOB, {"kind": "other"}, b"{}", {})

    def killed(*arguments: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(os if moment == "fsync" else Path, moment, killed)
        for bundle in (newer, Bundle(OTHER, {}, b"{}", {})):
            with pytest.raises(KilledError):
                archive.put(bundle)
    assert archive.get(JOB) == BUNDLE
    assert archive.get(OTHER) is None
    assert list(archive.jobs()) == [JOB]
    left = [path for path in (tmp_path / "ab").iterdir() if path.suffix == ".tmp"]
    assert len(left) == 2
    archive.tidy()  # whoever writes them may still live
    assert all(path.exists() for path in left)
    old = time.time() - archives.LEFT_SECONDS - 1
    for path in left:
        os.utime(path, (old, old))
    archive.tidy()
    assert [path.name for path in (tmp_path / "ab").iterdir()] == [f"{JOB}.json.zst"]


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            is_folder = name == "fsync" and Path(f"/proc/self/fd/{arguments[0]}").resolve().is_dir()
            done.append(f"{name} folder" if is_folder else name)
            return real(*arguments)

        return call

    archive = Archive(FolderPlace(tmp_path), "here")
    archive.put(BUNDLE)
    monkeypatch.setattr(os, "fsync", noted("fsync", os.fsync))
    monkeypatch.setattr(Path, "replace", noted("replace", Path.replace))
    archive.put(BUNDLE)
    assert done == ["fsync", "replace", "fsync folder"]


def test_a_full_or_missing_place_is_an_answer(tmp_path: Path) -> None:
    archive = Archive(FolderPlace(tmp_path / "kept"), "here")
    shutil.rmtree(tmp_path / "kept")
    (tmp_path / "kept").touch()
    for call in (lambda: archive.put(BUNDLE), lambda: archive.get(JOB), lambda: archive.damaged()):
        with pytest.raises(StoreUnavailable, match="archive here does not answer"):
            call()


def test_a_bucket_that_does_not_answer_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(BucketPlace(MemoryStore()), "here")

    def fails(*arguments: Any) -> None:
        raise obstore.exceptions.GenericError("no route")

    monkeypatch.setattr(obstore, "put", fails)
    with pytest.raises(StoreUnavailable, match="no route"):
        archive.put(BUNDLE)


def test_addresses(tmp_path: Path) -> None:
    assert open_archive(None) is None
    for where in (str(tmp_path / "a b"), f"{tmp_path.as_uri()}/a%20b"):
        opened = open_archive(where)
        assert opened is not None
        assert opened.where == str(tmp_path / "a b")
    assert (tmp_path / "a b").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="RELU_LANDSCAPE_ARCHIVE"):
        open_archive(str(tmp_path / "file" / "below"))
    bucket = open_archive("s3://bucket/prefix")
    assert bucket is not None
    assert bucket.where == "s3://bucket/prefix"


def test_a_bucket_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigurationError, match=r"relu-landscape\[bucket\]"):
        open_archive("s3://bucket/prefix")
