"""What a service says about itself, and what the HTTP side adds to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relu_landscape.wire.base import Wire
from relu_landscape.wire.jobs import Kernel


class BackendInfo(Wire):
    """What the workers compute on."""

    name: Literal["numpy", "cupy"]
    backend_class: str = Field(
        description="part of every content id: cpu (NumPy), or native- and the version of the "
        "native kernel, whose bits a GPU computes too; floating point may differ between classes, "
        "never within one"
    )
    device: str
    reason: str = Field(description="why this one was chosen")
    kernel: Kernel | None = Field(description="what follows the starts; null: arrays do")
    kernel_reason: str = Field(description="why that one")


class Limits(Wire):
    """What this service accepts at most."""

    largest_width: int = Field(description="widest student or teacher")
    largest_starts: int = Field(description="most random starts")
    largest_core_seconds: float | None = Field(
        description="processor seconds that a landscape may be expected to take; null: any"
    )
    largest_stored_bytes: float | None = Field(
        description="bytes that a landscape may be expected to write into the store; null: any"
    )
    jobs_at_once: int = Field(description="jobs that one process runs side by side")
    small_jobs_at_once: int = Field(description="small jobs that one process runs beside them")
    small_job_seconds: float = Field(
        description="a landscape expected to take no more processor seconds is small"
    )
    waiting_jobs_limit: int = Field(description="jobs that may wait")
    result_ttl_seconds: int | None = Field(description="results are forgotten then; null: never")


class ServiceInfo(Wire):
    """Versions, backend and why, store and pool, limits."""

    version: str = Field(description="of relu-landscape")
    algorithm: str = Field(description="part of every content id")
    python: str
    libraries: dict[str, str] = Field(description="versions by name")
    backend: BackendInfo
    store: Literal["embedded", "external", "memory"]
    pool: Literal["embedded", "external", "none"]
    workers: int = Field(description="worker threads that are there now")
    kinds: list[str] = Field(description="kinds of analysis that it computes")
    limits: Limits


class ApiLimits(Limits):
    """What this service accepts at most, by HTTP."""

    body_limit_bytes: int = Field(description="largest request body")
    rate_limit: str | None = Field(description="requests per client address; null: no limit")


class ApiInfo(ServiceInfo):
    """Versions, backend and why, store and pool, limits; as HTTP answers it."""

    limits: ApiLimits


class Alive(Wire):
    """The process answers."""

    alive: Literal[True]
