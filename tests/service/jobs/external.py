"""A Redis of a laboratory's own, for tests that stop, starve and kill it."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import redis

from relu_landscape.jobs.store.connection import Target
from tests.service.jobs.helpers import PATIENCE_SECONDS, until

BINARY = shutil.which("redis-server")
needs_redis = [
    pytest.mark.external_redis,
    pytest.mark.skipif(BINARY is None, reason="there is no redis-server on the PATH"),
]
SAFE = ("--appendonly", "yes", "--appendfsync", "always")


class External:
    """A redis-server of our own on a Unix socket, with the options given."""

    def __init__(
        self, folder: Path, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._environment = environment
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._command = [
            str(BINARY), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder),
            "--save", "", *options,
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # SIGXFSZ stays ignored, as Python has it: a file at its limit is then an error of a write.
        self.process = subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.DEVNULL, restore_signals=False
        )
        until(self._answers, "redis-server answers")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(PATIENCE_SECONDS)
        self.process = None

    def pause(self) -> None:
        """Silent from now on: connections are accepted, nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def limit_files(self, size_bytes: int) -> None:
        """No file may grow beyond that, as if the disk were full; -1 is no limit."""
        assert self.process is not None
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    def client(self) -> redis.Redis:
        return Target(self.url, None).connect()

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
