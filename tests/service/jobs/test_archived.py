"""A service with an archive: an emptied store, a process that is killed, a job that comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from relu_landscape.errors import NotFound, StoreUnavailable
from relu_landscape.jobs.listing import Wanted
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.archive import Archive, FolderPlace
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape.wire.labels import LabelChange
from tests.service.jobs.helpers import (
    PATIENCE_SECONDS,
    attached,
    expected_digest,
    request,
    until,
    until_async,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

PREFIX = "archived"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(FolderPlace(tmp_path), str(tmp_path))


@pytest_asyncio.fixture(loop_scope="session")
async def service(
    server: EmbeddedServer, pool: DaskPool, tmp_path: Path
) -> AsyncIterator[AnalysisService]:
    async with attached(
        server, pool, archive=str(tmp_path), redis_prefix=PREFIX, result_ttl_seconds=1000
    ) as opened:
        yield opened


async def finished(service: AnalysisService, archive: Archive) -> tuple[str, bytes]:
    """A job's id and result, once the archive has it."""
    status = await service.submit(request(starts=12))
    status = await service.wait(status.id, PATIENCE_SECONDS)
    assert status.state == "finished"
    until(lambda: archive.get(status.id) is not None, "it is archived")
    return status.id, await service.result(status.id)


def _spoil(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def empty(server: EmbeddedServer) -> None:
    with server.target.connect() as client:
        for key in client.scan_iter(f"{PREFIX}:*"):
            client.delete(key)


async def test_a_pin_is_in_the_archive_before_it_is_acknowledged(
    service: AnalysisService, server: EmbeddedServer, archive: Archive
) -> None:
    """Whoever empties the store, or is killed, a moment later loses no pin; nor one taken away."""
    job, result = await finished(service, archive)
    assert (await service.pin(job)).pinned
    empty(server)
    assert (await service.status(job)).pinned
    assert await service.result(job) == result
    with server.target.connect() as client:
        assert client.zscore(f"{PREFIX}:expiry", job) is None
    empty(server)
    assert not (await service.unpin(job)).pinned  # it comes back for that
    with server.target.connect() as client:
        assert client.zscore(f"{PREFIX}:expiry", job) is not None
    empty(server)
    assert not (await service.status(job)).pinned


async def test_a_deleted_job_is_gone_from_the_archive_as_well(
    service: AnalysisService, server: EmbeddedServer, archive: Archive
) -> None:
    """From the archive alone too, where the store has long forgotten the job."""
    for is_in_the_store in (True, False):
        job, _ = await finished(service, archive)
        if not is_in_the_store:
            empty(server)
        await service.delete(job)
        assert job not in list(archive.jobs())
        empty(server)
        with pytest.raises(NotFound):
            await service.status(job)


async def test_an_archive_that_is_away_is_asked_again(
    service: AnalysisService, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = await finished(service, archive)

    def away(place: FolderPlace, name: str) -> None:
        raise OSError("it is away")

    with monkeypatch.context() as broken:
        broken.setattr(FolderPlace, "remove", away)
        with pytest.raises(StoreUnavailable, match="it is away"):
            await service.delete(job)
        assert job in list(archive.jobs())
        with pytest.raises(NotFound):
            await service.status(job)
    await service.delete(job)
    assert job not in list(archive.jobs())


async def test_an_emptied_store_loses_no_result(
    service: AnalysisService, server: EmbeddedServer, archive: Archive
) -> None:
    """Status, result, parts and events; listed and served as before, and computed by nobody."""
    job, result = await finished(service, archive)
    status, part = await service.status(job), await service.part(job, "m1")
    looks: list[Callable[[], Awaitable[AnyStatus]]] = [
        lambda: service.status(job),
        lambda: service.wait(job, 0.0),
        lambda: service.cancel(job),
        lambda: service.submit(status.request),
    ]
    for look in looks:
        empty(server)
        assert await look() == status
    empty(server)
    assert await service.result(job) == result
    document = orjson.loads(result)
    asked = status.request
    assert document["digest"] == digest(document) == expected_digest(asked)
    empty(server)
    assert await service.part(job, "m1") == part
    empty(server)
    assert [event.data["state"] async for event in service.events(job, None)] == ["finished"]
    page = await service.list(kind=None, cursor=None, limit=5)
    assert page.items == [status]
    assert (await service.status(job)).attempts == 1
    assert (await service.figures())["finished"] == 1


async def test_who_asked_and_what_they_said_comes_back_with_the_job(
    service: AnalysisService, server: EmbeddedServer, archive: Archive
) -> None:
    """Also what was said, and who asked, when it was finished and archived already."""
    job, _ = await finished(service, archive)
    asked = (await service.status(job)).request
    await service.label(job, "anna", LabelChange(tags=["paper"], note="hers"))
    await service.submit(asked, "bob")
    empty(server)
    assert (await service.list(kind=None, cursor=None, limit=5)).items == []
    back = (await service.status(job)).seen_by("anna", sees_all=False)
    assert (back.tags, back.note) == (["paper"], "hers")
    for wanted in (Wanted(tag="paper", viewer="anna"), Wanted(asker="bob")):
        page = await service.list(kind=None, cursor=None, limit=5, wanted=wanted)
        assert [each.id for each in page.items] == [job]


async def test_what_neither_has_is_not_found(
    service: AnalysisService, server: EmbeddedServer, archive: Archive
) -> None:
    job, _ = await finished(service, archive)
    archive.remove(job)
    empty(server)
    for look in (service.status, service.result, service.cancel):
        with pytest.raises(NotFound, match=f"no job {job}"):
            await look(job)
    with pytest.raises(NotFound):
        await anext(aiter(service.events(job, None)))


async def test_a_damaged_file_is_never_served_and_its_job_is_computed_again(
    service: AnalysisService, server: EmbeddedServer, archive: Archive, tmp_path: Path
) -> None:
    job, result = await finished(service, archive)
    asked = (await service.status(job)).request
    path = tmp_path / job[:2] / f"{job}.json.zst"
    _spoil(path)
    empty(server)
    with pytest.raises(NotFound):
        await service.result(job)
    assert _names(tmp_path / "damaged") == [path.name]
    assert _names(path.parent) == []
    assert (await service.submit(asked)).id == job
    assert (await service.wait(job, PATIENCE_SECONDS)).state == "finished"
    again = orjson.loads(await service.result(job))
    assert again["digest"] == orjson.loads(result)["digest"]


async def test_a_result_that_was_lost_alone_comes_back_and_keeps_its_job(
    service: AnalysisService, server: EmbeddedServer, archive: Archive
) -> None:
    """A store that evicts may drop any key: the job was then computed again."""
    job, result = await finished(service, archive)
    status = await service.status(job)
    with server.target.connect() as client:
        client.delete(f"{PREFIX}:result:{job}", f"{PREFIX}:details:{job}")
    assert await service.submit(status.request) == status
    assert await service.result(job) == result


async def test_a_running_job_has_no_result_although_an_archive_is_there(
    service: AnalysisService,
) -> None:
    status = await service.submit(request(starts=2000, seconds=0.1))
    with pytest.raises(NotFound, match=r"has no result: it is (queued|running)"):
        await service.result(status.id)
    await service.cancel(status.id)
    assert (await service.wait(status.id, PATIENCE_SECONDS)).state == "cancelled"


async def test_an_archive_that_is_away_is_said_and_stops_nothing(
    service: AnalysisService, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(FolderPlace, "write", full)
    status = await service.submit(request(starts=12))
    assert (await service.wait(status.id, PATIENCE_SECONDS)).state == "finished"
    assert await service.result(status.id)

    async def said() -> bool:
        readiness = await service.readiness()
        return readiness.ready and any("No space left" in each for each in readiness.warnings)

    await until_async(said, "it is said")
    assert archive.get(status.id) is None


async def test_while_the_archive_cannot_be_read_questions_are_computed_and_ids_are_not_denied(
    service: AnalysisService, server: EmbeddedServer, archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    job, result = await finished(service, archive)
    asked = (await service.status(job)).request
    empty(server)

    def away(*arguments: object) -> None:
        raise OSError("Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(FolderPlace, "read", away)
        with pytest.raises(StoreUnavailable, match="Stale file handle"):
            await service.status(job)
        assert (await service.submit(asked)).state in ("queued", "running")
        assert (await service.wait(job, PATIENCE_SECONDS)).state == "finished"
    again = orjson.loads(await service.result(job))
    assert again["digest"] == orjson.loads(result)["digest"]
