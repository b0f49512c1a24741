"""What a service and its results say about who computes them, with what."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from relu_landscape import ALGORITHM, __version__
from relu_landscape.analyses import Registry
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import Provenance
from relu_landscape.wire.service import BackendInfo, Limits, ServiceInfo

_LIBRARIES = ("numpy", "scipy", "distributed", "redis", "cupy-cuda13x", "python-flint", "igraph")


def libraries() -> dict[str, str]:
    """Versions of what the numbers rest on, as far as it is installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def provenance(backend: ChosenBackend, seconds: float = 0.0) -> Provenance:
    """Who computes here, with what, in how many seconds."""
    made_by = Provenance(
        version=__version__,
        algorithm=ALGORITHM,
        backend=backend.name,
        device=backend.device,
        kernel=backend.kernel,
        libraries=libraries(),
        seconds=0.0,
    )
    return after(made_by, seconds)


def after(made_by: Provenance, seconds: float) -> Provenance:
    """The same, who took so many ``seconds``: to a millisecond, and none if a clock went back."""
    return made_by.model_copy(update={"seconds": round(max(0.0, seconds), 3)})


def service_info(
    registry: Registry,
    settings: Settings,
    backend: ChosenBackend,
    *,
    store: Literal["embedded", "external", "memory"],
    pool: Literal["embedded", "external", "none"],
    workers: int,
) -> ServiceInfo:
    """Versions, backend and why, store and pool, limits."""
    return ServiceInfo(
        version=__version__,
        algorithm=ALGORITHM,
        python=platform.python_version(),
        libraries=libraries(),
        backend=BackendInfo(
            name=backend.name,
            backend_class=backend.backend_class,
            device=backend.device,
            reason=backend.reason,
            kernel=backend.kernel,
            kernel_reason=backend.kernel_reason,
        ),
        store=store,
        pool=pool,
        workers=workers,
        kinds=[each.kind for each in registry.analyses],
        limits=Limits(**{name: getattr(settings, name) for name in Limits.model_fields}),
    )
