"""A real embedded store for every test here, and a real service with a toy engine."""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.settings import Settings
from tests.service.jobs.external import External
from tests.service.jobs.helpers import attached
from tests.service.jobs.toy_engine import TOY

#: Short enough that a test which must see a lease lapse is over soon, long enough that a loaded
#: machine renews in time.
LEASE_SECONDS = 2.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder whose socket path is short enough, wherever pytest keeps its own."""
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        yield Path(name) / "data"


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """One embedded store for all tests that do not kill it."""
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        embedded = EmbeddedServer(Settings.load(data_dir=Path(name) / "data"))
        embedded.open()
        yield embedded
        embedded.close()


@pytest.fixture
def target(server: EmbeddedServer) -> Target:
    return Target.embedded(server.socket_path)


@pytest.fixture
def settings() -> Settings:
    """A key prefix of its own keeps a test's jobs apart from every other's."""
    return Settings.load(
        redis_prefix=f"test-{uuid.uuid4().hex}",
        lease_seconds=LEASE_SECONDS,
        waiting_jobs_limit=5,
    )


@pytest_asyncio.fixture
async def asking(target: Target, settings: Settings) -> AsyncIterator[AskingStore]:
    opened = AskingStore(target, settings, TOY, "cpu")
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def lists(target: Target, settings: Settings) -> AsyncIterator[ListingStore]:
    opened = ListingStore(target, settings, TOY)
    yield opened
    await opened.close()


@pytest.fixture
def make_claims(target: Target) -> Iterator[Callable[[Settings], ClaimingStore]]:
    opened: list[ClaimingStore] = []

    def make(settings: Settings) -> ClaimingStore:
        opened.append(ClaimingStore(target, settings, patience=5.0, stop=threading.Event()))
        return opened[-1]

    yield make
    for claims in opened:
        claims.close()


@pytest.fixture
def claims(make_claims: Callable[[Settings], ClaimingStore], settings: Settings) -> ClaimingStore:
    return make_claims(settings)


@pytest.fixture
def watcher(make_claims: Callable[[Settings], ClaimingStore], settings: Settings) -> ClaimingStore:
    """Another process on the same store."""
    return make_claims(settings)


@pytest.fixture
def external() -> Iterator[Callable[..., External]]:
    """``external(*options, environment=...)``: a redis-server that is running."""
    started: list[External] = []
    with tempfile.TemporaryDirectory(prefix="rl-") as name:

        def start(*options: str, environment: Mapping[str, str] | None = None) -> External:
            server = External(Path(name), *options, environment=environment)
            server.start()
            started.append(server)
            return server

        yield start
        for server in started:
            if server.process is not None:
                server.kill()


@pytest.fixture(scope="session")
def trace() -> Iterator[Path]:
    """A file to which the toy engine writes every chunk that it computes."""
    with tempfile.TemporaryDirectory(prefix="rl-") as name, pytest.MonkeyPatch.context() as patch:
        path = Path(name) / "trace"
        path.touch()
        patch.setenv("TOY_TRACE", str(path))
        yield path


@pytest.fixture(scope="session")
def pool(trace: Path) -> Iterator[DaskPool]:
    """Two workers for all tests that do not kill them: a worker takes a second to start."""
    opened = DaskPool(
        Settings.load(workers=2), TOY, ChosenBackend("numpy", "a test", "the test wants it")
    )
    opened.open()
    yield opened
    opened.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(server: EmbeddedServer, pool: DaskPool) -> AsyncIterator[AnalysisService]:
    """One service with a toy engine on the common store and workers."""
    async with attached(server, pool) as opened:
        yield opened
