"""The store of the jobs' tests."""

from __future__ import annotations

from tests.service.jobs.conftest import server, target

__all__ = ["server", "target"]
