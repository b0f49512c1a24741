"""``python -m relu_landscape_api.attached``: the service for as long as who started it lives.

Standard input is a pipe of which the parent holds the other end. The kernel closes that end when
the parent ends, however it ends, and then the service stops as at SIGTERM. A process that the
parent forked holds the end as well, so whether the parent is still there is asked besides.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable

from relu_landscape_api.serve import serve

#: How often is asked whether the parent is still there, where its end of the pipe does not say.
LOOK_SECONDS = 1.0
#: A service that has not ended so long after it was told to is ended.
END_SECONDS = 30.0


def await_end(
    pipe: int,
    parent: int,
    *,
    parent_of_this: Callable[[], int] = os.getppid,
    look_seconds: float = LOOK_SECONDS,
) -> None:
    """Return when the other end of ``pipe`` is closed, or ``parent`` is no longer our parent.

    What arrives in the pipe is thrown away.
    """
    while parent_of_this() == parent:
        readable, _, _ = select.select([pipe], [], [], look_seconds)
        if readable and not os.read(pipe, 4096):
            return


def _end_with(parent: int) -> None:
    await_end(sys.stdin.fileno(), parent)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(END_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main(parent: int) -> int:
    """Serve with the settings of the environment until process ``parent`` ends; exit status."""
    threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
    return serve()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
