"""The store and the workers of the jobs' tests."""

from __future__ import annotations

from tests.service.jobs.conftest import external, folder, pool, server, target, trace

__all__ = ["external", "folder", "pool", "server", "target", "trace"]
