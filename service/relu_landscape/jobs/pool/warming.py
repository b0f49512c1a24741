"""The engine is imported by workers before the first chunk needs it: that takes seconds."""

from __future__ import annotations

from typing import Any

from relu_landscape.jobs.pool import worker


class Warming:
    """What workers were told to import, and whether they have."""

    def __init__(self) -> None:
        self._told: list[Any] = []

    def begin(self, client: Any, compositions: tuple[str, ...]) -> None:
        """Tell every worker that is there, without waiting for it."""
        for address in client.nthreads():
            sent = {"workers": [address], "pure": False}
            self._told.append(client.submit(worker.warm, compositions, **sent))  # or Dask forgets

    @property
    def is_over(self) -> bool:
        """Whether none is at it, be it done, lost or never begun."""
        return all(each.done() for each in self._told)

    def forget(self) -> None:
        """The workers end."""
        self._told.clear()
