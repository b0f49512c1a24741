"""The campaign's judge, and a small campaign of its own."""

from __future__ import annotations

import random

import orjson
import pytest

from relu_landscape.jobs.running.sealing import digest
from tests.campaign.judge import Found, judge
from tests.campaign.run import run_all


def sealed(number: int) -> tuple[str, bytes]:
    whole: dict[str, object] = {"number": number}
    whole["digest"] = digest(whole)
    return str(whole["digest"]), orjson.dumps(whole)


def test_the_judge_finds_every_kind_of_fault() -> None:
    right, result = sealed(1)
    other, other_result = sealed(2)
    ends = ["queued", "running", "finished"]
    found = {
        "good": Found("finished", result, ends),
        "gone": Found(None),
        "unlisted": Found("finished", result, ends, times_listed=0),
        "waits": Found("queued", None, ["queued"]),
        "twice": Found("finished", result, [*ends, "finished"]),
        "listed twice": Found("finished", result, ends, times_listed=2),
        "failed": Found("failed", None, ["failed"]),
        "another": Found("finished", other_result, ends),
        "without": Found("finished", None, ends),
        "tampered": Found("finished", orjson.dumps({"number": 3, "digest": right}), ends),
    }
    logs = ["all is well", "lost the lease of abc", "took abc from a process that died"]
    verdict = judge(dict.fromkeys([*found, "never seen"], right), found, logs)
    assert (verdict.lost, verdict.stuck) == (["gone", "unlisted", "never seen"], ["waits"])
    assert verdict.doubled == ["twice", "listed twice"]
    assert verdict.wrong == ["another", "without", "tampered"]
    assert verdict.wrongly_failed == ["failed"]
    assert verdict.wrong_deaths == ["lost the lease of abc"]
    assert not verdict.is_good
    assert judge({"good": right}, found, []).is_good
    assert not judge({}, {}, []).is_good, "a campaign without jobs shows nothing"
    assert not judge({"good": other}, found, []).is_good


@pytest.mark.slow
@pytest.mark.external_redis
@pytest.mark.parametrize("setup", ["embedded", "external"])
def test_forty_kills(setup: str, capfd: pytest.CaptureFixture[str]) -> None:
    is_good = run_all(40, random.SystemRandom().randrange(1000), [setup])
    assert is_good, capfd.readouterr().out
