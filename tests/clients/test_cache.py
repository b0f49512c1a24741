"""Results on disk: found again, replaced when damaged, never in the way."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from relu_landscape_client import Client, LandscapeFailed, ProtocolError
from relu_landscape_client._cache import Cache, default_folder
from tests.clients.faulty import name_of, problem
from tests.clients.samples import ASKED, ID, OTHER_ID, SCRIPT, document, of_release_0_1
from tests.clients.served import Served

Run = Callable[..., Any]


def _result_file(folder: Path) -> Path:
    return folder / "cache" / f"{ID}.json"


def _told(server: Served, **changes: Any) -> None:
    """Have the server say other things about itself."""
    info = server.service.info().model_dump() | changes
    answer = httpx2.Response(200, json=info)
    server.line.instead = lambda request: (
        answer if name_of(request) == "GET /v1/service-info" else None
    )


def test_the_second_time_only_the_server_s_version_is_asked(
    run: Run, server: Served, tmp_path: Path
) -> None:
    first = run("landscape", **ASKED)
    server.line.requests.clear()
    assert run("landscape", **ASKED) == first
    assert server.line.asked == ["GET /v1/service-info"]
    assert _result_file(tmp_path).exists()


def test_by_id_nothing_is_asked(run: Run, server: Served) -> None:
    run("landscape", **ASKED)
    server.line.requests.clear()
    assert run("result", ID).id == ID
    assert run("gather", [ID])[0].id == ID
    assert server.line.asked == []


@pytest.mark.parametrize(
    "changes",
    [{"algorithm": "99"}, {"backend": {"backend_class": "gpu"}}, {"backend": "cpu"}],
    ids=["algorithm", "backend", "no backend"],
)
def test_another_algorithm_is_another_question(
    run: Run, server: Served, changes: dict[str, Any]
) -> None:
    run("landscape", **ASKED)
    server.line.requests.clear()
    _told(server, **changes)
    run("landscape", **ASKED)
    assert "POST /v1/landscapes" in server.line.asked


def test_another_request_is_another_question(run: Run, server: Served) -> None:
    run("landscape", **ASKED)
    server.line.requests.clear()
    run("landscape", **ASKED, seed=1)
    assert "POST /v1/landscapes" in server.line.asked


def test_a_server_without_service_info_is_asked_each_time(run: Run, server: Served) -> None:
    server.finish_at_once()
    server.line.instead = lambda request: (
        problem(404, "Not found", "There is nothing here.")
        if name_of(request) == "GET /v1/service-info"
        else None
    )
    for _ in range(2):
        assert run("landscape", **ASKED).id == ID
    assert server.line.asked.count("POST /v1/landscapes") == 2


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
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    whole = run("landscape", **ASKED)
    path = _result_file(tmp_path)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    with caplog.at_level(logging.WARNING):
        again = run("landscape", **ASKED)
    assert "damaged" in caplog.text
    assert [point.loss for point in again.minima] == [point.loss for point in whole.minima]
    assert path.read_bytes() == good


def test_a_whole_file_under_another_name_is_not_believed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.save(ID, document())
    (tmp_path / f"{ID}.json").rename(tmp_path / f"{OTHER_ID}.json")
    assert cache.load(OTHER_ID) is None


def test_an_id_is_no_path(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for landscape_id in ("../../etc/passwd", "a" * 63, "A" * 64, ""):
        cache.save(landscape_id, document() | {"id": landscape_id})
        assert cache.load(landscape_id) is None
    assert list(tmp_path.rglob("*")) == []


def test_failures_are_not_kept(run: Run, server: Served, tmp_path: Path) -> None:
    server.script = (*SCRIPT[:1], lambda job: job.fail("no"))
    with pytest.raises(LandscapeFailed):
        run("landscape", **ASKED)
    assert not _result_file(tmp_path).exists()


def test_a_folder_that_cannot_be_costs_the_cache_only(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert run("landscape", **ASKED, cache=blocked / "cache").id == ID
    assert "nothing is cached" in caplog.text


def test_the_oldest_go_first(tmp_path: Path) -> None:
    import os

    size = len(json.dumps(document(), separators=(",", ":"))) + 65
    cache = Cache(tmp_path, limit_bytes=2 * size)
    ids = [digit * 64 for digit in "123"]
    for age, landscape_id in enumerate(ids[:2]):
        cache.save(landscape_id, document() | {"id": landscape_id})
        os.utime(tmp_path / f"{landscape_id}.json", (1000 + age, 1000 + age))
    cache.save(ids[2], document() | {"id": ids[2]})
    assert [cache.load(landscape_id) is not None for landscape_id in ids] == [False, True, True]


def _save_often(folder: Path) -> None:
    for _ in range(20):
        for path in folder.glob("*.json"):
            path.unlink(missing_ok=True)
        Cache(folder).save(ID, document())


def test_processes_that_write_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_save_often, args=(tmp_path,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    cache = Cache(tmp_path)
    while any(writer.is_alive() for writer in writers):
        found = cache.load(ID)
        assert found is None or found == document()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert cache.load(ID) == document()
    assert list(tmp_path.glob(".*")) == []


def test_a_landscape_of_release_0_1_is_not_read_from_the_cache_in_silence(
    run: Run, tmp_path: Path
) -> None:
    """Ids of that release are asked for in vain; a file of its time says what it is."""
    Cache(tmp_path / "cache").save(OTHER_ID, of_release_0_1() | {"id": OTHER_ID})
    with pytest.raises(ProtocolError, match=r"release 0\.1.*compute it again"):
        run("result", OTHER_ID)


def test_the_cache_lies_where_caches_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_folder().name == "relu-landscape-client"
    client = Client("http://nowhere", cache=False)
    assert client._cache.folder is None
    client.close()
