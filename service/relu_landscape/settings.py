"""Settings of the service: environment variables with the prefix ``RELU_LANDSCAPE_``.

Those of the HTTP side are in ``relu_landscape_api.settings``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from relu_landscape.errors import ConfigurationError
from relu_landscape.wire.requests import LARGEST_STARTS, LARGEST_WIDTH

PREFIX = "RELU_LANDSCAPE_"
#: Of addresses of an archive that are no plain folder.
ARCHIVE_SCHEMES = ("file:///", "s3://", "gs://", "az://")


def default_data_dir() -> Path:
    """The XDG data home (``~/.local/share`` unless ``XDG_DATA_HOME`` says otherwise)."""
    home = os.environ.get("XDG_DATA_HOME")
    base = Path(home) if home else Path.home() / ".local" / "share"
    return base / "relu-landscape"


def cpu_cores() -> int:
    """CPU cores that this process may use; never less than one."""
    if hasattr(os, "sched_getaffinity"):  # Linux: honours taskset and container CPU sets
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


class Settings(BaseSettings):
    """What can be set of store, workers and jobs, with its bounds.

    ``Settings.load`` gives readable errors.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="folder of the embedded store and its log; created, and readable by its "
        "owner only",
    )
    redis_url: str | None = Field(
        None,
        pattern=r"^(redis|rediss|unix)://",
        description="a server of the Redis protocol, for example redis://lab:6379/0; left out: "
        "an embedded one in data_dir",
    )
    redis_prefix: str = Field(
        "relu-landscape",
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="first part of every key in the store, so that several services can share one",
    )
    dask_scheduler: str | None = Field(
        None,
        pattern=r"^(tcp|tls|ws|wss|ucx|ucxx)://",
        description="a Dask scheduler, for example tcp://lab:8786; left out: worker processes "
        "on this machine",
    )
    dask_insecure: bool = Field(
        False,
        description="true: ask a Dask scheduler on another machine without TLS",
    )
    workers: int = Field(
        default_factory=cpu_cores,
        ge=1,
        le=1024,
        description="worker processes of the embedded pool, one thread each; left out: one per "
        "CPU core that this process may use",
    )
    worker_niceness: int = Field(
        5,
        ge=0,
        le=19,
        description="by how much processes of the embedded pool give way to others (nice), the one "
        "that answers requests first of all",
    )
    backend: Literal["auto", "numpy", "cupy"] = Field(
        "auto",
        description="what follows random starts: the CPU (numpy) or a GPU (cupy); auto: a GPU if "
        "one works",
    )
    kernel: Literal["auto", "native", "numpy"] = Field(
        "auto",
        description="what follows random starts on the CPU: the native kernel or NumPy; auto: the "
        "native kernel if it was compiled and this processor can run it",
    )
    largest_width: int = Field(
        64, ge=1, le=LARGEST_WIDTH, description="widest student or teacher that is accepted"
    )
    largest_starts: int = Field(
        1_000_000, ge=0, le=LARGEST_STARTS, description="most random starts that are accepted"
    )
    largest_core_seconds: float | None = Field(
        None,
        gt=0.0,
        description="landscapes that are expected to take more processor seconds are refused; "
        "left out: none is",
    )
    largest_stored_bytes: float | None = Field(
        None,
        gt=0.0,
        description="landscapes that are expected to write more into the store are refused; "
        "left out: none is",
    )
    core_seconds_per_day: int | None = Field(
        None,
        ge=1,
        description="seconds of cores that each key's jobs may use in a day (UTC) before more are "
        "refused, where the key says nothing else; all who have no key together; left out: any "
        "number",
    )
    chunk_starts: int | None = Field(
        None,
        ge=1,
        le=LARGEST_STARTS,
        description="random starts per chunk; left out: the engine chooses for about a second "
        "of work. Results do not depend on it",
    )
    jobs_at_once: int = Field(
        2, ge=1, le=64, description="jobs that one process runs side by side, sharing the workers"
    )
    sweeps_at_once: int = Field(
        4, ge=1, le=64, description="sweeps that one process has under way; others wait"
    )
    sweep_window: int = Field(
        4,
        ge=1,
        le=64,
        description="landscapes that each sweep asks for at a time; a request beside it waits "
        "behind so many at the most",
    )
    small_jobs_at_once: int = Field(
        2,
        ge=0,
        le=64,
        description="small jobs that one process runs beside those, so that none waits for a large "
        "one to end",
    )
    small_job_seconds: float = Field(
        20.0,
        ge=0.0,
        description="a landscape that is expected to take no more processor seconds is small",
    )
    keys_at_once: int = Field(
        8,
        ge=0,
        le=64,
        description="jobs that one process runs beside those for people of whose jobs none runs, "
        "one of each, so that nobody waits for somebody else's to end",
    )
    waiting_jobs_limit: int = Field(
        1000, ge=1, le=1_000_000, description="jobs that may wait; more are refused as busy"
    )
    calls_at_once: int = Field(
        4,
        ge=2,
        le=64,
        description="processes for what is answered at once (families); long calculations leave "
        "one of them to the others",
    )
    call_seconds: float = Field(
        20.0,
        ge=1.0,
        le=600.0,
        description="how long such a calculation may take before it is ended; one that is "
        "estimated to take more than half of it is refused",
    )
    lease_seconds: float = Field(
        10.0,
        ge=0.5,
        le=600.0,
        description="a job whose process died is picked up by another one after this time",
    )
    chunks_in_flight_per_worker: int = Field(
        2,
        ge=1,
        le=64,
        description="chunks handed to the pool per worker; more hide a slow network, fewer make "
        "cancelling and sharing quicker",
    )
    chunk_seconds: float = Field(
        600.0,
        ge=1.0,
        le=86_400.0,
        description="how long one chunk, about a second of work, may take before its worker is "
        "ended and it is tried again; the second time, its job fails",
    )
    events_kept: int = Field(
        1000, ge=10, le=100_000, description="latest events kept per job for readers that resume"
    )
    store_patience_seconds: float = Field(
        60.0,
        ge=1.0,
        le=3600.0,
        description="how long a running job waits for a store that vanished",
    )
    request_patience_seconds: float = Field(
        5.0,
        ge=0.1,
        le=60.0,
        description="how long a request waits for a store that vanished",
    )
    result_ttl_seconds: int | None = Field(
        None,
        ge=1,
        description="finished, failed and cancelled jobs are forgotten after this time; "
        "left out: never",
    )
    results_bytes: int | None = Field(
        None,
        ge=1,
        description="bytes of results that the store holds; of more, those not read for longest "
        "are forgotten; left out: any number",
    )
    archive: str | None = Field(
        None,
        description="where every finished result is kept besides, for good: a folder, or a bucket "
        "such as s3://BUCKET/PREFIX; left out: nowhere",
    )
    shutdown_grace_seconds: float = Field(
        10.0, ge=0.0, le=600.0, description="how long running work may take to stop at shutdown"
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("archive")
    @classmethod
    def _whole_address(cls, value: str | None) -> str | None:
        if value is None or value.startswith(ARCHIVE_SCHEMES):
            return value
        if "://" in value:
            raise ValueError(f"it must be a folder or begin with {', '.join(ARCHIVE_SCHEMES)}")
        return str(Path(value).expanduser().absolute())

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment; keyword arguments win over it.

        Raises ``ConfigurationError`` whose message has one line per wrong setting, each with the
        variable to set and what it accepts.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise ConfigurationError(_readable(error, cls)) from error


def _readable(error: ValidationError, settings: type[Settings]) -> str:
    lines = ["These settings cannot be used:"]
    for problem in error.errors(include_url=False, include_context=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        field = settings.model_fields.get(name)
        if field is None:
            lines.append(f"  {name}: there is no such setting; remove it.")
            continue
        shown = "(hidden)" if "key" in name else repr(problem["input"])
        lines.append(f"  {PREFIX}{name.upper()}={shown}: {problem['msg']}.")
        default = field.get_default(call_default_factory=True)
        example = f"unset {PREFIX}{name.upper()}" if default is None else None
        line = example or f"{PREFIX}{name.upper()}={default}"
        lines.append(f"    {field.description}. Write for example: {line}")
    return "\n".join(lines)
