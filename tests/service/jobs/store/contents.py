"""All that the store holds of one job, as tests of the scripts expect it."""

from __future__ import annotations

from typing import Any

import orjson

from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.packing import unpack
from relu_landscape.jobs.store.scripts import needs
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST

(QUEUE,) = QUEUES
#: Seconds that results are kept by the store ``mortal``.
KEPT = 1000
#: What lists follow (``test_lists.py``), and what is no part of a job.
OF_LISTS = ("changed", "changes", "changes-since", "gone", "gone-until")
TIMES = ("created", "started", "finished")
#: What the hash of a job has while a process holds it.
OF_A_HOLDER = ("token", "holder", "claim", "renewals", "place")


class Contents:
    """The keys of one store, as Python reads them; moments become the word ``time``, the
    name of the call that claimed a job becomes ``name``, and of its token the number is left. What
    is packed is unpacked."""

    def __init__(self, client: Any, prefix: str) -> None:
        self.client = client
        self.prefix = prefix

    def key(self, name: str) -> str:
        return f"{self.prefix}:{name}"

    def all(self) -> dict[str, Any]:
        names = sorted(key.decode() for key in self.client.scan_iter(f"{self.prefix}:*"))
        found = {name.removeprefix(self.prefix + ":"): self.value(name) for name in names}
        return {name: value for name, value in found.items() if name not in OF_LISTS}

    def value(self, name: str) -> Any:
        match self.client.type(name).decode():
            case "hash":
                items = {
                    k.decode(): unpack(v).decode() for k, v in self.client.hgetall(name).items()
                }
                known = dict.fromkeys(TIMES, "time") | {"claim": "name"}
                if "token" in items:
                    items["token"] = number(items["token"])
                return {k: known.get(k, v) if v else v for k, v in items.items()}
            case "zset":
                scores = self.client.zrange(name, 0, -1, withscores=True)
                return [(member.decode(), int(score)) for member, score in scores]
            case "set":
                return {member.decode() for member in self.client.smembers(name)}
            case "stream":
                entries = [entry for _, entry in self.client.xrange(name)]
                if name == self.key("deletions"):
                    return [entry[b"id"].decode() for entry in entries]
                return [(e[b"name"].decode(), orjson.loads(e[b"data"])) for e in entries]
            case _:
                return unpack(self.client.get(name)).decode()


def number(token: str) -> str:
    """Which claim of this store it was."""
    return token.partition("-")[0]


def job(state: str, **others: str) -> dict[str, str]:
    """The hash of job a, the first of its store."""
    known = {
        "kind": KIND, "needs": needs("cpu"), "request": orjson.dumps(REQUEST).decode(),
        "created": "time", "sequence": "1", "attempts": "0", "state": state,
        "asked": "anyone",
    }  # fmt: skip
    is_over = state in ("finished", "failed", "cancelled")
    wanted = {} if is_over else {"wanted:anyone": "1", "payer": "anyone"}
    return known | wanted | others


def held(holder: ClaimingStore, token: str = "1", renewals: str = "0") -> dict[str, str]:
    """What the hash has besides while ``holder`` holds the job."""
    return {
        "token": token, "holder": holder._holder, "claim": "name", "renewals": renewals,
        "place": "any",
    }  # fmt: skip


def said(*states: str) -> list[tuple[str, dict[str, str]]]:
    return [("state", {"state": state}) for state in states]


#: What every store with this one job holds.
LISTED: dict[str, Any] = {"jobs": [("a", 1)], f"jobs:{KIND}": [("a", 1)], "sequence": "1"}
#: The job waits.
WAITING: dict[str, Any] = {"queue": [("a", 1)], f"queue:{QUEUE}": [("a", 1)], "queues": {QUEUE}}


def same(found: dict[str, Any], *expected: dict[str, Any]) -> None:
    """The store holds exactly this (a request is compared as JSON, whatever its spacing)."""
    wanted: dict[str, Any] = {}
    for part in expected:
        wanted |= part
    for hashes in (found, wanted):
        if "request" in hashes.get("job:a", {}):
            hashes["job:a"] = hashes["job:a"] | {
                "request": orjson.loads(hashes["job:a"]["request"])
            }
    assert found == wanted
