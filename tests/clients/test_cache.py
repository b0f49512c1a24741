"""Results on disk: found again, replaced when damaged, never in the way."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relu_landscape_client import Client, LandscapeFailed
from relu_landscape_client._cache import Cache, default_folder
from tests.clients import documents
from tests.clients.fake import FakeServer

Run = Callable[..., Any]


def _result_file(folder: Path) -> Path:
    return folder / "cache" / f"{documents.ID}.json"


def test_the_second_time_only_the_server_s_version_is_asked(
    run: Run, server: FakeServer, tmp_path: Path
) -> None:
    first = run(server, "landscape", 2, 2, starts=10)
    server.asked.clear()
    assert run(server, "landscape", 2, 2, starts=10) == first
    assert server.asked == ["GET /v1/service-info"]
    assert _result_file(tmp_path).exists()


def test_by_id_nothing_is_asked(run: Run, server: FakeServer) -> None:
    run(server, "landscape", 2, 2)
    server.asked.clear()
    assert run(server, "result", documents.ID).id == documents.ID
    assert run(server, "gather", [documents.ID])[0].id == documents.ID
    assert server.asked == []


@pytest.mark.parametrize(
    ("name", "value"), [("algorithm", "2"), ("backend", {"class": "gpu"}), ("backend", "cpu")]
)
def test_another_algorithm_is_another_question(
    run: Run, server: FakeServer, name: str, value: Any
) -> None:
    run(server, "landscape", 2, 2)
    server.asked.clear()
    server.info[name] = value
    run(server, "landscape", 2, 2)
    assert "POST /v1/landscapes" in server.asked


def test_another_request_is_another_question(run: Run, server: FakeServer) -> None:
    run(server, "landscape", 2, 2)
    server.asked.clear()
    run(server, "landscape", 2, 2, seed=1)
    assert "POST /v1/landscapes" in server.asked


def test_a_server_without_service_info_is_asked_each_time(run: Run) -> None:
    server = FakeServer(is_known=True)
    answer = server.answer
    server.answer = lambda request: (  # type: ignore[method-assign]
        answer(type(request)("GET", "http://fake/nothing"))
        if request.url.path == "/v1/service-info"
        else answer(request)
    )
    for _ in range(2):
        assert run(server, "landscape", 2, 2).id == documents.ID
    assert server.asked.count("POST /v1/landscapes") == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-20],
        lambda content: content.replace(b"0.0125", b"0.0126"),
        lambda content: b"\x00" * len(content),
        lambda content: b"no newline",
    ],
    ids=["empty", "cut", "altered", "zeros", "foreign"],
)
def test_a_damaged_file_is_replaced(
    run: Run, server: FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:  # fmt: skip
    whole = run(server, "landscape", 2, 2)
    path = _result_file(tmp_path)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    with caplog.at_level(logging.WARNING):
        again = run(server, "landscape", 2, 2)
    assert "damaged" in caplog.text
    assert [point.loss for point in again.minima] == [point.loss for point in whole.minima]
    assert path.read_bytes() == good


def test_a_whole_file_under_another_name_is_not_believed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.save(documents.ID, documents.landscape())
    (tmp_path / f"{documents.ID}.json").rename(tmp_path / f"{documents.OTHER_ID}.json")
    assert cache.load(documents.OTHER_ID) is None


def test_an_id_is_no_path(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for landscape_id in ("../../etc/passwd", "a" * 63, "A" * 64, ""):
        cache.save(landscape_id, documents.landscape(landscape_id))
        assert cache.load(landscape_id) is None
    assert list(tmp_path.rglob("*")) == []


def test_failures_are_not_kept(run: Run, tmp_path: Path) -> None:
    server = FakeServer(final=documents.status("failed", error="no"))
    with pytest.raises(LandscapeFailed):
        run(server, "landscape", 2, 2)
    assert not _result_file(tmp_path).exists()


def test_a_folder_that_cannot_be_costs_the_cache_only(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    server = FakeServer(is_known=True)
    assert run(server, "landscape", 2, 2, cache=blocked / "cache").id == documents.ID
    assert "nothing is cached" in caplog.text


def test_the_oldest_go_first(tmp_path: Path) -> None:
    import os

    size = len(json.dumps(documents.landscape(), separators=(",", ":"))) + 65
    cache = Cache(tmp_path, limit_bytes=2 * size)
    ids = [digit * 64 for digit in "123"]
    for age, landscape_id in enumerate(ids[:2]):
        cache.save(landscape_id, documents.landscape(landscape_id))
        os.utime(tmp_path / f"{landscape_id}.json", (1000 + age, 1000 + age))
    cache.save(ids[2], documents.landscape(ids[2]))
    assert [cache.load(landscape_id) is not None for landscape_id in ids] == [False, True, True]


def _save_often(folder: Path) -> None:
    for _ in range(20):
        for path in folder.glob("*.json"):
            path.unlink(missing_ok=True)
        Cache(folder).save(documents.ID, documents.landscape())


def test_processes_that_write_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_save_often, args=(tmp_path,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    cache = Cache(tmp_path)
    while any(writer.is_alive() for writer in writers):
        found = cache.load(documents.ID)
        assert found is None or found == documents.landscape()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert cache.load(documents.ID) == documents.landscape()
    assert list(tmp_path.glob(".*")) == []


def test_the_cache_lies_where_caches_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_folder().name == "relu-landscape-client"
    client = Client("http://fake", cache=False)
    assert client._cache.folder is None
    client.close()
