"""The engine as this room knows it: dotted names, so that workers import it themselves."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from relu_landscape.errors import ConfigurationError


@dataclass(frozen=True)
class Engine:
    """Dotted names ``module:attribute`` of the engine's entries.

    ``solve(request, *, run, monitor, chunk_starts)`` composes a landscape, ``run_task(request,
    task, *, backend)`` does one chunk in a worker, and ``calls`` is a dict of the short
    synchronous functions that may be called by name, and ``check(request)`` refuses at once what
    ``solve`` would refuse.
    """

    solve: str = "relu_landscape.engine:solve"
    run_task: str = "relu_landscape.engine:run_task"
    calls: str = "relu_landscape.engine:CALLS"
    check: str = "relu_landscape.engine:check"


DEFAULT_ENGINE = Engine()


def load(name: str) -> Any:
    """The object behind ``module:attribute``. Raises ``ConfigurationError`` if there is none."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"The engine's {name} cannot be imported: {error}.") from error


def check_names(engine: Engine) -> None:
    """Raise ``ConfigurationError`` unless the modules exist; imports none of what is heavy."""
    for name in (engine.solve, engine.run_task, engine.calls, engine.check):
        module = name.partition(":")[0]
        try:
            found = importlib.util.find_spec(module)
        except ImportError:  # the package above it is missing
            found = None
        if found is None:
            raise ConfigurationError(f"The engine's {name} cannot be imported: no such module.")
