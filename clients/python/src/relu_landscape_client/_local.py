"""A service of one's own: the same service, in a child of this process, for ``Client.local``.

Nothing of the service is imported here. It is started as a module of the same Python, on a free
port of this machine alone, with a key that only this process knows, and told by a pipe when to end.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import selectors
import subprocess
import sys
import time
import weakref
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from relu_landscape_client.errors import LocalServiceFailed, MissingService

_MODULE = "relu_landscape_api"
#: It is ready within a few seconds; on a machine that is busy otherwise it takes longer.
START_SECONDS = 120.0
#: Its first calls wait for modules that are still being loaded, for long on such a machine.
CALL_TIMEOUT_SECONDS = 120.0
#: Running work is given back within the grace below; then the store is closed.
STOP_SECONDS = 30.0
_GRACE_SECONDS = 2
_LOG_TAIL = 1500
_READY = re.compile(r"is ready: (http://\S+)")


def default_folder() -> Path:
    """Where results are kept: beside the folder of ``relu-landscape serve``, not in it."""
    return Path(platformdirs.user_data_dir("relu-landscape-local", appauthor=False))


class LocalService:
    """A running service; ``url`` and ``api_key`` open it.

    Parameters: ``folder`` of its store, so that results and unfinished work are there the next
    time (None: the platform's for data); ``workers`` processes (None: one for each core).
    Raises ``MissingService`` where the service is not installed, ``LocalServiceFailed`` where it
    does not start.
    """

    def __init__(self, folder: str | Path | None = None, workers: int | None = None) -> None:
        if find_spec(_MODULE) is None:
            raise MissingService(sys.executable)
        self.folder = default_folder() if folder is None else Path(folder).absolute()
        self.api_key = secrets.token_urlsafe(32)
        self._log = self.folder / "local.log"
        self._process = self._started(workers)
        # At exit too, and when nobody holds this any longer.
        self._end = weakref.finalize(self, _stop, self._process, os.getpid())
        try:
            self.url = self._ready()
        except BaseException:
            self._end()
            raise

    @property
    def pid(self) -> int:
        """The process id of the service."""
        return self._process.pid

    def ended(self) -> str | None:
        """What to say where the service has ended although it was not told to; None: it runs."""
        status = self._process.poll()
        if status is None or not self._end.alive:
            return None
        how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        return f"the local service has ended {how}; Client.local() starts another. Log: {self._log}"

    def stop(self) -> None:
        """End it and wait until it has; any number of times."""
        self._end()

    def _started(self, workers: int | None) -> subprocess.Popen[str]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            log = self._log.open("w", encoding="utf-8")
        except OSError as error:
            raise LocalServiceFailed(f"the folder {self.folder} cannot be used: {error}") from error
        with log:
            return subprocess.Popen(  # noqa: S603 - this Python, a module of ours, no shell
                [sys.executable, "-P", "-m", f"{_MODULE}.attached", str(os.getpid())],
                env=self._environment(workers), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True,
                # -P above: nothing from the current folder, where any file may lie. A session of
                # its own: Ctrl+C in a terminal is for the program that asks.
                start_new_session=True,
            )  # fmt: skip

    def _environment(self, workers: int | None) -> dict[str, str]:
        """This process's, without settings that are meant for another service."""
        ours = {
            "HOST": "127.0.0.1", "PORT": "0", "DATA_DIR": str(self.folder),
            "API_KEY": self.api_key, "SHUTDOWN_GRACE_SECONDS": str(_GRACE_SECONDS),
        }  # fmt: skip
        if workers is not None:
            ours["WORKERS"] = str(workers)
        kept = {
            name: value for name, value in os.environ.items()
            if not name.startswith("RELU_LANDSCAPE_")
        }  # fmt: skip
        return kept | {f"RELU_LANDSCAPE_{name}": value for name, value in ours.items()}

    def _ready(self) -> str:
        """The address, once the service answers."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        deadline = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                line = self._process.stdout.readline()
                if found := _READY.search(line):
                    return found[1]
                if not line:
                    break
        raise LocalServiceFailed(f"the local service did not start: {self._said()}")

    def _said(self) -> str:
        with contextlib.suppress(OSError):
            return self._log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:].strip()
        return f"see {self._log}"


def _stop(process: subprocess.Popen[str], owner: int) -> None:
    """Close the pipe that keeps it running, and wait."""
    if os.getpid() != owner:  # a forked copy of this process: the service is not its own
        return
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
