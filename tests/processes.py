"""Processes of a service, found from outside."""

from __future__ import annotations

import psutil

from relu_landscape.jobs.pool import prctl


def workers_of(pid: int) -> list[psutil.Process]:
    """Worker processes of the service with this process id, those that only begin included."""
    return _named(pid, prctl.WORKER, prctl.FORKED)


def server_of(pid: int) -> psutil.Process | None:
    """What its processes are forked from."""
    for child in psutil.Process(pid).children():
        try:
            if "multiprocessing.forkserver" in " ".join(child.cmdline()):
                return child
        except psutil.Error:
            continue
    return None


def _named(pid: int, *names: str) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if child.name() in names:
                found.append(child)
        except psutil.Error:
            continue
    return found
