"""The progress bar: chunks done, fixed points so far, time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from relu_landscape_client.status import Status

Watcher = Callable[[Status], None]
#: What a caller may pass as ``progress``: shall there be a bar, or a function of their own.
ProgressOption = bool | Watcher | None


def is_wanted() -> bool:
    """True where a person watches: on a terminal, or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


@contextmanager
def watching(progress: ProgressOption) -> Iterator[Watcher | None]:
    """The watcher for ``progress``; a bar is closed at the end, whatever happens."""
    if callable(progress):
        yield progress
        return
    if not (is_wanted() if progress is None else progress):
        yield None
        return
    bar = Bar()
    try:
        yield bar
    finally:
        bar.close()


class Bar:
    """A watcher that draws a tqdm bar, afresh for each phase of each landscape."""

    def __init__(self, file: Any = None) -> None:
        self._file = file
        self._bar: Any = None
        self._of: tuple[str, str | None, int] | None = None

    def __call__(self, status: Status) -> None:
        progress = status.progress
        of = (status.id, progress.phase, progress.tasks)
        if of != self._of:
            self.close()
            self._of = of
            self._bar = self._new(status)
        self._bar.n = min(progress.tasks_done, progress.tasks)
        self._bar.set_postfix_str(_words(status), refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """Leave the bar as it stands and end its line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
            self._of = None

    def _new(self, status: Status) -> Any:
        from tqdm.auto import tqdm

        request = status.request
        name = f"{request.get('student_width', '?')}/{request.get('teacher_width', '?')}"
        return tqdm(
            total=status.progress.tasks or None,
            desc=f"{name} {status.progress.phase or status.state}",
            unit="chunk",
            file=self._file,
            # tqdm's own estimate knows nothing of chunks that were done before we came.
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} chunks{postfix}"
            if status.progress.tasks
            else "{desc}{postfix}",
        )


def _words(status: Status) -> str:
    words = []
    if status.state == "queued" and status.waiting_before:
        words.append(f"{status.waiting_before} before it")
    if status.findings:
        words.append(f"{len(status.findings)} fixed points")
    if status.progress.time_left:
        words.append(status.progress.time_left)
    return ", ".join(words)
