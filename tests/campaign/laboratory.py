"""The processes that a campaign kills, and who starts them again."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import psutil
import redis

from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.embedded import prepare_folder
from tests.processes import workers_of

ROOT = Path(__file__).parents[2]
#: How often ended processes are looked for.
WATCH_SECONDS = 0.1
#: Most API processes are killed once they serve: killed while they start, they would never serve.
KILLED_STARTING_SHARE = 0.15
ANSWER_SECONDS = 0.5
#: A supervisor (systemd, Docker) waits a moment too; sometimes longer than a lease.
LONGEST_RESTART_SECONDS = 2.0
LEASE_SECONDS = 3.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Kept:
    """A process that is started again whenever it has ended, as a supervisor would."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    restart_at: float = 0.0
    starts: int = 0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self.starts += 1

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def pids(self) -> list[int]:
        return [self.process.pid] if self.process is not None and self.is_running() else []

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)


@dataclass
class Laboratory:
    """Two API processes with store and workers of one set-up, all of which may be killed."""

    setup: str
    folder: Path
    chance: random.Random
    kept: list[Kept] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        self._scheduler = f"tcp://127.0.0.1:{free_port()}"
        self._redis = self.folder / "redis.sock"
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    @property
    def kinds(self) -> list[str]:
        """What there is to kill; the scheduler of embedded workers is in the API process."""
        both = ["api", "worker", "store"]
        return [*both, "scheduler"] if self.setup == "external" else both

    def start(self) -> None:
        if self.setup == "external":
            self._start_external()
        for number in range(2):
            port = free_port()
            self.urls.append(f"http://127.0.0.1:{port}")
            command = [sys.executable, "-m", "tests.campaign.served"]
            self._keep(f"api-{number}", command, RELU_LANDSCAPE_PORT=str(port))
        self._watcher.start()

    def stop(self) -> None:
        self._stop.set()
        self._watcher.join()
        for each in reversed(self.kept):  # the APIs first, gracefully: workers and store with them
            if each.process is not None and each.is_running():
                each.process.terminate()
        for each in reversed(self.kept):
            with contextlib.suppress(subprocess.TimeoutExpired):
                if each.process is not None:
                    each.process.wait(20)
            each.end()
        for pid in self._embedded_store():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self, kind: str) -> bool:
        """``kill -9`` of one process of this kind; False where none lives just now."""
        victims = {
            "api": self._apis,
            "worker": self._workers,
            "store": self._stores,
            "scheduler": self._schedulers,
        }[kind]()
        if not victims:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.chance.choice(victims), signal.SIGKILL)
            return True
        return False

    @property
    def target(self) -> Target:
        if self.setup == "external":
            return Target(f"unix://{self._redis}", None)
        return Target.embedded(str(prepare_folder(self.data).socket))

    def logs(self) -> Iterator[str]:
        for path in sorted(self.folder.glob("api-*.log")):
            with path.open(errors="replace") as lines:
                yield from lines

    def _start_external(self) -> None:
        binary = shutil.which("redis-server")
        assert binary is not None, "the external set-up needs redis-server on the PATH"
        self._keep(
            "store",
            [
                binary, "--port", "0", "--unixsocket", str(self._redis), "--dir", str(self.folder),
                "--save", "", "--appendonly", "yes", "--appendfsync", "always",
            ],
        )  # fmt: skip
        dask = [sys.executable, "-c", "from dask.__main__ import main; main()"]
        quiet = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        self._keep("scheduler", [*dask, "scheduler", "--host", self._scheduler, *quiet])
        for number in range(2):
            self._keep(
                f"worker-{number}",
                [
                    *dask, "worker", self._scheduler, "--nworkers", "1", "--nthreads", "1",
                    "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder),
                    "--death-timeout", "600",
                ],
            )  # fmt: skip

    def _keep(self, name: str, command: list[str], **settings: str) -> None:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("RELU_LANDSCAPE_")},
            "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT)]).strip(":"),
            "RELU_LANDSCAPE_DATA_DIR": str(self.data),
            "RELU_LANDSCAPE_WORKERS": "1",
            "RELU_LANDSCAPE_LEASE_SECONDS": str(LEASE_SECONDS),
            "RELU_LANDSCAPE_LOG_LEVEL": "warning",
            # The ids that are expected are of this kernel, wherever the campaign runs.
            "RELU_LANDSCAPE_KERNEL": "numpy",
            **settings,
        }
        if self.setup == "external":
            environment["RELU_LANDSCAPE_REDIS_URL"] = f"unix://{self._redis}"
            environment["RELU_LANDSCAPE_DASK_SCHEDULER"] = self._scheduler
        kept = Kept(name, command, environment, self.folder / f"{name}.log")
        kept.start()
        self.kept.append(kept)

    def _watch(self) -> None:
        chance = random.Random(self.chance.random())
        while not self._stop.wait(WATCH_SECONDS):
            for each in self.kept:
                if each.is_running():
                    each.restart_at = 0.0
                elif each.restart_at == 0.0:
                    wait = 0.0 if chance.random() < 0.7 else LONGEST_RESTART_SECONDS
                    each.restart_at = time.monotonic() + wait * chance.random()
                elif time.monotonic() >= each.restart_at:
                    each.start()

    def _of(self, prefix: str) -> list[int]:
        return [pid for each in self.kept if each.name.startswith(prefix) for pid in each.pids()]

    def _apis(self) -> list[int]:
        if self.chance.random() < KILLED_STARTING_SHARE:
            return self._of("api-")
        apis = [each for each in self.kept if each.name.startswith("api-")]
        pairs = zip(apis, self.urls, strict=True)
        return [pid for each, url in pairs if _serves(url) for pid in each.pids()]

    def _schedulers(self) -> list[int]:
        return self._of("scheduler")

    def _stores(self) -> list[int]:
        return self._of("store") if self.setup == "external" else self._embedded_store()

    def _embedded_store(self) -> list[int]:
        try:
            with self.target.connect(1.0) as client:
                return [int(client.info("server")["process_id"])]
        except (redis.RedisError, OSError):
            return []

    def _workers(self) -> list[int]:
        if self.setup == "external":
            return self._of("worker-")
        return [pid for api in self._of("api-") for pid in _spawned(api)]


def _serves(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/livez", timeout=ANSWER_SECONDS).status_code == 200)
    except httpx.HTTPError:
        return False


def _spawned(parent: int) -> list[int]:
    try:
        return [worker.pid for worker in workers_of(parent)]
    except psutil.Error:
        return []
