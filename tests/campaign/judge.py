"""What became of every acknowledged job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from relu_landscape.jobs.running.sealing import digest

#: What a process says that found a job of its own in other hands although it had lived all along:
#: nothing but kills happens in a campaign, so each is a death that was wrongly counted.
WRONG_DEATHS = ("lost the lease of", "Another process runs the job")


@dataclass
class Found:
    """One job as the store has it in the end; ``states`` are those of its events."""

    state: str | None
    result: bytes | None = None
    states: list[str] = field(default_factory=list)
    times_listed: int = 1


@dataclass
class Verdict:
    """Ids by what went wrong with them; a campaign shows something only if all are empty."""

    jobs: int = 0
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    wrongly_failed: list[str] = field(default_factory=list)
    wrong_deaths: list[str] = field(default_factory=list)

    @property
    def rows(self) -> dict[str, int]:
        faults = ("lost", "stuck", "doubled", "wrong", "wrongly_failed", "wrong_deaths")
        return {name.replace("_", " "): len(getattr(self, name)) for name in faults}

    @property
    def is_good(self) -> bool:
        return self.jobs > 0 and not any(self.rows.values())


def judge(expected: Mapping[str, str], found: Mapping[str, Found], logs: Iterable[str]) -> Verdict:
    """``expected`` has the digest of every acknowledged job by its id."""
    verdict = Verdict(jobs=len(expected))
    for job, right in expected.items():
        one = found.get(job, Found(None))
        if one.state is None or one.times_listed == 0:
            verdict.lost.append(job)
            continue
        if one.states.count("finished") > 1 or one.times_listed > 1:
            verdict.doubled.append(job)
        if one.state in ("failed", "cancelled"):
            verdict.wrongly_failed.append(job)
        elif one.state != "finished":
            verdict.stuck.append(job)
        elif not _is_right(one.result, right):
            verdict.wrong.append(job)
    verdict.wrong_deaths = [line for line in logs if any(words in line for words in WRONG_DEATHS)]
    return verdict


def _is_right(result: bytes | None, right: str) -> bool:
    if result is None:
        return False
    whole = orjson.loads(result)
    return bool(whole["digest"] == digest(whole) == right)
