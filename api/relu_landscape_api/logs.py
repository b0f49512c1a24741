"""JSON lines on the standard logging: one object a line, for ``jq`` and for machines."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

import orjson

#: Attributes every ``LogRecord`` has; anything else was given through ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """Time (UTC), level, logger, message, whatever was given as ``extra``, and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key: item for key, item in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except orjson.JSONEncodeError:  # a lone surrogate or an integer beyond 64 bits
            return orjson.dumps(
                {key: str(item).encode("utf-8", "replace").decode() for key, item in line.items()}
            ).decode()


def configure_logging(level: str) -> None:
    """Send everything to standard error as JSON lines; replaces earlier handlers of the root."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.setLevel(level.upper())  # libraries give loggers of their own a lower level
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def quieten(logger: str) -> None:
    """From now on let a library complain of errors alone."""
    for name in [logger, *logging.Logger.manager.loggerDict]:
        # Some of its loggers have levels of their own, which the root's would not change.
        if name == logger or name.startswith(f"{logger}."):
            found = logging.getLogger(name)
            found.setLevel(max(found.level, logging.ERROR))


#: How often one complaint is repeated while its cause lasts.
SELDOM_SECONDS = 60.0


class Seldom:
    """A warning that may arise thousands of times a second, and is logged once a minute.

    A full disk, written by the complaints about it, would be worse than their cause.
    """

    def __init__(self, logger: str) -> None:
        self._log = logging.getLogger(logger)
        self._next = 0.0
        self._left_out = 0

    def warning(self, message: str, *arguments: object) -> None:
        """Log it, unless that was done within the last minute; the next line counts the others."""
        now = time.monotonic()
        if now < self._next:
            self._left_out += 1
            return
        extra = {"repeated": self._left_out} if self._left_out else {}
        self._log.warning(message, *arguments, extra=extra)
        self._next, self._left_out = now + SELDOM_SECONDS, 0
