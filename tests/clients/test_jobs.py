"""Jobs that the server chooses, what is said of them, and what can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from relu_landscape_client import NotFound, RequestRefused
from tests.clients.samples import ASKED
from tests.clients.served import Served

Run = Callable[..., Any]


def test_jobs_are_chosen_by_the_server(run: Run, server: Served) -> None:
    server.finish_at_once()
    landscape = run("landscape", **ASKED)
    width = landscape.student_width
    for chosen, count in (
        ({"student_width": width, "state": ["finished", "failed"]}, 1),
        ({"state": "failed"}, 0), ({"seed": 77}, 0), ({"id": landscape.id[:9], "mine": True}, 1),
        ({"since": date(2026, 1, 2), "until": "2026-01-03"}, 1), ({"until": date(2026, 1, 2)}, 0),
        ({"since": datetime(2026, 1, 2, 3, 4, 5, 679000, tzinfo=UTC)}, 0),
        ({"sort": "-seconds", "text": "landscape", "tag": None}, 1),
    ):  # fmt: skip
        for name in ("jobs", "list"):
            assert len(run(name, **chosen)) == count, (name, chosen)
    with server.client() as client:
        assert client.jobs(kind=["sweep", "trajectory"]) == []
        assert len(client.jobs(kind="landscape")) == 1
        with pytest.raises(RequestRefused, match="kind"):
            client.jobs(kind="nothing")


def test_tags_and_notes_of_ones_own(run: Run, server: Served) -> None:
    server.finish_at_once()
    landscape = run("landscape", **ASKED)
    assert run("job", landscape.id).tags == ()
    tagged = run("tag", landscape.id, ["b", "a"], "hers")
    assert (tagged.tags, tagged.note, tagged.labels) == (("a", "b"), "hers", ())
    assert run("tag", tagged, note="").note is None
    (job,) = run("jobs", tag="b")
    assert (job.id, job.tags) == (landscape.id, ("a", "b"))
    assert run("tag", job, []).tags == ()
    assert run("job", job).state == "finished"
    with pytest.raises(RequestRefused, match="tags"):
        run("tag", job, ["two words"])
    with pytest.raises(NotFound):
        run("tag", "0" * 64, ["a"])


def test_structures(run: Run, server: Served) -> None:
    found = run("structures", 2, 3)
    assert (found.student_width, found.teacher_width, found.grammar) == (2, 3, "Blocks.")
    (choice,) = found.items
    assert (choice.name, choice.words) == ("2", "2 teachers alike")
    assert (choice.unknowns, choice.families) == (3, ("global",))
