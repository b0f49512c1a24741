"""Against Debian's Redis 7.0, as a lab would run it."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import orjson
import pytest

from relu_landscape.errors import ConfigurationError, StoreUnavailable
from relu_landscape.jobs.listing import Wanted
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.settings import Settings
from relu_landscape.wire.labels import LabelChange
from tests.service.jobs.external import BINARY, SAFE, External, needs_redis
from tests.service.jobs.helpers import (
    KIND,
    PATIENCE_SECONDS,
    QUEUES,
    REQUEST,
    expected_digest,
    request,
    until,
    until_async,
)
from tests.service.jobs.toy_engine import TOY

pytestmark = needs_redis


async def test_a_landscape_goes_the_whole_way(external: Callable[..., External]) -> None:
    server = external(*SAFE)
    settings = Settings.load(redis_url=server.url, workers=1, kernel="numpy")
    asked = request(starts=30)
    async with AnalysisService.open(settings, registry=TOY) as service:
        assert service.info().store == "external"
        assert (await service.readiness()).warnings == []
        status = await service.submit(asked)
        events = [event.name async for event in service.events(status.id, None)]
        assert events[-1] == "state"
        result = orjson.loads(await service.result(status.id))
        assert result["digest"] == expected_digest(asked)
    assert server.process is not None
    assert server.process.poll() is None, "a store that is not ours is left running"


async def test_a_store_that_is_away_for_a_while_only_delays(
    external: Callable[..., External],
) -> None:
    server = external(*SAFE)
    settings = Settings.load(
        redis_url=server.url,
        workers=1,
        lease_seconds=1.0,
        request_patience_seconds=0.2,
        kernel="numpy",
    )
    asked = request(starts=100, seconds=0.05)
    async with AnalysisService.open(settings, registry=TOY) as service:
        status = await service.submit(asked)

        async def has_begun() -> bool:
            return (await service.status(status.id)).progress.tasks_done >= 3

        await until_async(has_begun, "some chunks are done")
        server.kill()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await service.status(status.id)
        readiness = await service.readiness()
        assert not readiness.ready
        assert "does not answer" in readiness.checks["store"]
        # Longer than a lease, so that every lease has lapsed when the store is back.
        await until_async(_elapsed(1.5), "the time is over")
        server.start()
        over = await service.wait(status.id, PATIENCE_SECONDS)
        assert over.state == "finished"
        result = orjson.loads(await service.result(status.id))
        assert result["digest"] == expected_digest(asked)
        assert (await service.readiness()).ready


def _elapsed(seconds: float) -> Callable[[], Awaitable[bool]]:
    timer = threading.Event()
    thread = threading.Timer(seconds, timer.set)
    thread.start()

    async def over() -> bool:
        return timer.is_set()

    return over


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--appendonly", "no"), "appendonly no"),
        (("--appendonly", "yes", "--appendfsync", "everysec"), "appendfsync everysec"),
        ((*SAFE, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), "allkeys-lru"),
        ((*SAFE, "--rename-command", "CONFIG", ""), None),
        (("--appendonly", "no", "--rename-command", "CONFIG", ""), "CONFIG is forbidden"),
        (SAFE, None),
    ],
)
async def test_a_store_that_may_lose_jobs_is_warned_about(
    external: Callable[..., External], options: tuple[str, ...], text: str | None
) -> None:
    asking = AskingStore(Target(external(*options).url, None), Settings.load(), TOY, "cpu")
    warnings = await asking.warnings()
    assert len(warnings) == (text is not None)
    if text is not None:
        assert text in warnings[0]
    await asking.close()


async def test_every_script_runs_on_this_version(external: Callable[..., External]) -> None:
    settings = Settings.load(result_ttl_seconds=1, lease_seconds=1.0)
    target = Target(external(*SAFE).url, None)
    asking, claims = (
        AskingStore(target, settings, TOY, "cpu"),
        ClaimingStore(target, settings, patience=1.0, stop=threading.Event()),
    )
    await asking.submit("a", KIND, REQUEST)
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert claims.renew(claim) == "held"
    assert claims.checkpoint(claim, "c", b"1", "m") == "held"
    assert list(claims.remembered(["m", "other"])) == [b"1", None]
    assert claims.report(claim, "progress", {}) == "held"
    claims.stop(claim, "returned")
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert claims.reclaim(claims.look()) == ["a"]
    claim = claims.claim(QUEUES)
    assert claim is not None
    claims.finish(claim, b"{}", {"m1": b"{}"})
    assert [event.name async for event in asking.follow("a", None)][-1] == "state"
    lists, keeping = ListingStore(target, settings, TOY), KeepingStore(target, settings)
    assert await keeping.ask("a", "anna")
    assert await keeping.label("a", "anna", LabelChange(tags=["b"], note="c")) == "labelled"
    assert len((await lists.page(Wanted(asker="anna", tag="b"), None, 5)).items) == 1
    await lists.close()
    await keeping.close()
    until(lambda: claims.sweep() == 1, "the job is forgotten")
    assert await asking.submit("b", KIND, {}) == "queued"
    assert await asking.cancel("b") == "cancelled"
    claims.close()
    await asking.close()


async def test_a_store_that_is_not_there_stops_the_start(folder: Path) -> None:
    settings = Settings.load(
        redis_url=f"unix://{folder}/none.sock", workers=1, request_patience_seconds=0.1
    )
    with pytest.raises(StoreUnavailable, match="does not answer"):
        async with AnalysisService.open(settings, registry=TOY):
            pytest.fail("it opened")


@pytest.fixture(params=["cluster", "sentinel"])
def part(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """What it is a part of, and the address of a server that is no store by itself."""
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        server = External(Path(name))
        if request.param == "cluster":  # which has no use for a socket alone
            server = External(Path(name), "--cluster-enabled", "yes", "--port", str(_free_port()))
        else:
            configuration = tmp_path / "sentinel.conf"
            configuration.touch()
            # Of the options all but those for a disk, which a Sentinel has none for.
            server._command = [
                str(BINARY), str(configuration), *server._command[1:-2], "--sentinel",
            ]  # fmt: skip
        server.start()
        yield request.param, server.url
        server.kill()


async def test_a_part_of_something_larger_is_refused(part: tuple[str, str]) -> None:
    """A cluster was taken in, and failed with each script that touched keys of two of its nodes."""
    mode, url = part
    settings = Settings.load(redis_url=url, workers=1)
    with pytest.raises(ConfigurationError, match=f"(?i)redis {mode}"):
        async with AnalysisService.open(settings, registry=TOY):
            pytest.fail("it opened")


def _free_port() -> int:
    """One whose neighbour 10,000 above, which a cluster talks over, is there as well."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port if port < 55_000 else port - 20_000


def test_the_password_of_the_store_is_not_in_the_message(folder: Path) -> None:
    secret = "hush-hush"
    target = Target(f"redis://:{secret}@127.0.0.1:1/0", None)
    claims = ClaimingStore(target, Settings.load(), patience=0.05, stop=threading.Event())
    with pytest.raises(StoreUnavailable) as error:
        claims.claim(QUEUES)
    assert secret not in str(error.value)
    claims.close()
    assert os.environ.get("RELU_LANDSCAPE_REDIS_URL") is None
