"""What the store's entries say, in words: a job's status, and a server's configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

import orjson
from pydantic import ValidationError

from relu_landscape.analyses import Registry
from relu_landscape.errors import ConfigurationError, NotFound
from relu_landscape.wire import shortened
from relu_landscape.wire.jobs import AnyStatus, Needs, Progress
from relu_landscape.wire.labels import Label

#: How the fields begin that say who wants a job (``lua/prelude.lua``).
WANTED = b"wanted:"
#: What a store cannot be, and why not.
REFUSED = {
    "cluster": (
        "a node of a Redis Cluster. Every step of a job is one script over keys of many jobs, and "
        "a cluster keeps those on different nodes."
    ),
    "sentinel": (
        "a Redis Sentinel, which holds no data. A fail-over may lose what was acknowledged last, "
        "so that nothing here follows one by itself."
    ),
}

#: Members of a job's hash that its status is made of; a long request as a whole is none of them.
SHOWN = (
    "kind", "state", "request", "left_out", "created", "started", "finished", "progress",
    "findings", "error", "attempts", "needs", "pinned", "labels",
)  # fmt: skip

#: Values of ``SHOWN``, and names of all the job's fields.
Look: TypeAlias = Sequence[Any]


def look(pipeline: Any, key: str) -> None:
    """Ask for a ``Look`` at a job: never for a request that is too long to be shown."""
    pipeline.hmget(key, SHOWN).hkeys(key)


def is_waiting(seen: Look) -> bool:
    """Whether the job was queued."""
    return cast(bool, seen[0][SHOWN.index("state")] == b"queued")


def read_job(registry: Registry, job: str, seen: Look, before: int | None) -> AnyStatus | None:
    """A stored job in words; ``None`` for one of a release that words it differently.

    ``before``: how many jobs stand before it, where it waits (``store.line``).
    """
    values, names = seen
    fields = {name: raw for name, raw in zip(SHOWN, values, strict=True) if raw is not None}

    def json(name: str) -> Any:
        raw = fields.get(name)
        return orjson.loads(raw) if raw else None

    kind, error = fields.get("kind", b"").decode(), fields.get("error", b"").decode()
    try:
        analysis = registry.analysis(kind)
    except NotFound:
        return None
    request, left_out = json("request"), json("left_out") or []
    try:
        status = analysis.status(
            id=job,
            kind=kind,
            state=fields["state"].decode(),
            request=shortened.read(analysis.request, request) if left_out else request,
            created_at=_iso(fields["created"]),
            started_at=_iso(fields["started"]) if "started" in fields else None,
            finished_at=_iso(fields["finished"]) if "finished" in fields else None,
            progress=Progress.model_validate(json("progress") or {}),
            findings=(json("findings") or {"findings": []})["findings"],
            error=error or None,
            attempts=int(fields.get("attempts", b"0")),
            waiting_before=before,
            needs=_needs(fields.get("needs", b"").decode()),
            holders=sum(name.startswith(WANTED) for name in names),
            left_out=left_out,
            pinned="pinned" in fields,
        )
        given = labels(fields["labels"]) if "labels" in fields else {}
        return status.labelled(given) if given else status
    except ValidationError:
        return None


def labels(stored: str | bytes | None) -> dict[str, Label]:
    """Everybody's tags and notes of one job, by name."""
    given = orjson.loads(stored) if stored else {}
    return {who: Label.model_validate({"who": who, **said}) for who, said in given.items()}


def require_single(mode: str) -> None:
    """Raise ``ConfigurationError`` unless the server stands for itself (``redis_mode``)."""
    if mode in REFUSED:
        raise ConfigurationError(
            f"RELU_LANDSCAPE_REDIS_URL names {REFUSED[mode]} Write the address of one server, or "
            "of what leads to the one that takes writes now (a proxy, a name that follows it)."
        )


def judge(config: Mapping[str, str]) -> list[str]:
    """What makes a server with this configuration unsafe for jobs, one sentence each."""
    found = []
    if config.get("appendonly") == "no":
        found.append(
            "The store runs with appendonly no: a crash of the store loses every job since its "
            "last snapshot, acknowledged ones included. Run CONFIG SET appendonly yes."
        )
    elif config.get("appendfsync") != "always":
        found.append(
            f"The store runs with appendfsync {config.get('appendfsync')}: a power failure loses "
            "the jobs of the last second or more. Run CONFIG SET appendfsync always."
        )
    policy = config.get("maxmemory-policy", "noeviction")
    if policy != "noeviction" and config.get("maxmemory", "0") != "0":
        found.append(
            f"The store may drop jobs and results when its memory is full (maxmemory-policy "
            f"{policy}). Run CONFIG SET maxmemory-policy noeviction."
        )
    return found


def _needs(stored: str) -> Needs | None:
    algorithm, _, backend_class = stored.partition("/")
    return Needs.model_validate({"algorithm": algorithm, "backend_class": backend_class})


def _iso(seconds: bytes) -> str:
    moment = datetime.fromtimestamp(float(seconds), tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
