"""Every change of a job's state, as Lua that the store runs in one piece (folder ``lua``).

Keys, all under a prefix ``p``::

    p:job:<id>       hash: state, kind, needs, request, created, sequence, started, finished, error,
                     attempts, small, barren, resubmitted, progress, findings; pinned, if it is;
                     asked, names with commas; labels, JSON: tags and notes by name;
                     where the request is too long to be shown also whole, the request itself, and
                     left_out; until it is over also wanted:<who>, and payer, who is charged for it,
                     and trace, of which it is a part, where there are traces;
                     while a process holds the job token, holder, claim, renewals, place
    p:chunks:<id>    hash: finished chunks of an unfinished job
    p:result:<id>    the result's bytes          p:details:<id>   hash: details per part
    p:events:<id>    capped stream
    p:memo:<name>    an answer that other jobs may use, by a hash of the whole question
    p:memos          zset: those names by the time of last use
    p:making         hash: names of such answers that are being computed: id and token of the job
    p:jobs           zset: every id by sequence  p:jobs:<kind>    the same, of one kind
    p:queue          zset: waiting by sequence   p:queue:<kind>/<needs>   the same, of one kind,
                                                 small jobs apart from others under .../small
    p:queues         set: names <kind>/<needs>   needs: <algorithm>/<backend class>
    p:state:<state>  set of ids                  p:expiry         zset: ids by time to forget
    p:sizes          zset: finished ids by bytes, where these are limited
    p:used           zset: finished ids by the time at which they were last read, as above
    p:deleted        zset: ids that were deleted by the time of that, where there is an archive
    p:shares         zset: payers by the seconds of cores that they used, in the reckoning of those
                     who have jobs that compute now (``lua/claim.lua``)
    p:spent:<day>    hash: seconds of cores by payer, of one day since 1970 by the store's clock
    p:deletions      capped stream of ids that were deleted, for processes that have them at hand
    p:changes        zset: every id by the number of its latest change
    p:gone           zset: ids of the last jobs that are gone, by the number of that change
    p:gone-until     the number of the last such change that is forgotten
    p:changes-since  when the numbers of changes began
    p:sequence, p:tokens, p:looks, p:changed     counters

Results, details, chunks and memos are packed (``packing``); scripts never look into them.

``token`` in the job's hash is the fence: only the process that got it from ``claim`` may write,
and taking a job away from a process means changing it. ``renewals`` grows while that process lives.
The store knows no time at which a lease ends: whoever watches others' renewals does so by its own
steady clock (``jobs.running.leases``), so no step of a clock shortens or lengthens a lease.
Commands and their options exist in Redis 5 to 7.0. Keys are built inside the scripts, so a Redis
Cluster is not supported.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from relu_landscape import ALGORITHM

#: Processes in a row that vanished without finishing a single chunk, before a job counts as deadly.
#: Ordinary crashes come at random moments and hardly ever ten times within one chunk.
LARGEST_BARREN_ATTEMPTS = 10

#: A cancelled or failed job that is submitted again goes on from its chunks; after a day they are
#: dropped (and would be computed again), because they are the bulkiest thing in the store.
LEFT_CHUNKS_SECONDS = 86_400

#: Answers that are kept for other jobs; more drop those that were not used for longest. One has
#: some kilobytes, 40 at most; the search of a landscape of width 17 is 60 of them, of width 40 150.
MOST_MEMOS = 4096

#: Seconds of a core by which somebody may lag behind whoever has used most, and make up for it:
#: more is forgotten, so that who had few chunks for an hour does not have all workers after it.
MOST_LAG_SECONDS = 60.0

#: Ids handled per call of a script, so that none blocks the store for long.
SWEEP_BATCH = 200

NAMES = (
    "submit",
    "cancel",
    "claim",
    "renew",
    "look",
    "checkpoint",
    "recall",
    "take",
    "report",
    "finish",
    "stop",
    "reclaim",
    "sweep",
    "restore",
    "expire",
    "weigh",
    "pin",
    "unpin",
    "delete",
    "ask",
    "label",
    "changes",
    "line",
)

#: What comes between the beginning of every script and the lines of these.
_SHARED = {"claim": ("turn",), "line": ("turn",)}


@cache
def source(name: str) -> str:
    """The script as the store gets it: the common beginning, what it shares, its own lines."""
    folder = files("relu_landscape.jobs.store") / "lua"
    parts = ("prelude", *_SHARED.get(name, ()), name)
    return "".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)


class Scripts:
    """The scripts, registered with one client (of threads or of the event loop)."""

    def __init__(self, client: Any, prefix: str, events_kept: int) -> None:
        self._scripts = {name: client.register_script(source(name)) for name in NAMES}
        self._first = (prefix, events_kept, LEFT_CHUNKS_SECONDS)

    def run(self, name: str, *arguments: bytes | str | float) -> Any:
        """The script's answer, or with an event-loop client an awaitable of it."""
        return self._scripts[name](args=[*self._first, *arguments])


def needs(backend_class: str) -> str:
    """What a job submitted here takes to be computed: this algorithm, on this kind of backend."""
    return f"{ALGORITHM}/{backend_class}"


def queue_name(kind: str, backend_class: str, *, small: bool = False) -> str:
    """The queue of the jobs of one kind that this algorithm can compute on that backend.

    ``small``: of those among them that are expected to take little.
    """
    return f"{kind}/{needs(backend_class)}" + ("/small" if small else "")


class Keys:
    """Names of the keys that are read outside the scripts."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.jobs = f"{prefix}:jobs"
        self.queue = f"{prefix}:queue"
        self.queues = f"{prefix}:queues"
        self.shares = f"{prefix}:shares"
        self.tokens = f"{prefix}:tokens"
        self.sizes = f"{prefix}:sizes"
        self.used = f"{prefix}:used"
        self.deleted = f"{prefix}:deleted"
        self.deletions = f"{prefix}:deletions"

    def of(self, kind: str, name: str) -> str:
        return f"{self.prefix}:{kind}:{name}"
