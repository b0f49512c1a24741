"""``submit``, ``cancel`` and the filters of ``list``."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import pytest
import typer.main

from relu_landscape.jobs.testing import Job
from relu_landscape.wire.jobs import State as WireState
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape_cli import pinning
from relu_landscape_cli.looking import State
from relu_landscape_cli.main import app
from tests.cli.conftest import Command
from tests.cli.test_commands import submit
from tests.clients.samples import ID, REQUEST
from tests.clients.served import Served


def _parameters(name: str) -> dict[str, Any]:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {str(each.name): each for each in group.commands[name].params}


def test_submitting_prints_the_id_alone_and_how_to_go_on(command: Command, server: Served) -> None:
    words = ("submit", 2, 2, "--starts", 10, "--server", server.url)
    result = command(*words)
    assert result.stdout == f"{ID}\n"
    assert result.stderr == f"running; go on with: relu-landscape watch {ID[:12]}\n"
    assert command.json(*words)["state"] == "running"
    server.finish_at_once()
    result = command("submit", 2, 2, "--seed", 5, "--server", server.url)
    assert result.stderr.startswith("finished; go on with: relu-landscape show ")
    # Nothing was waited for: two questions, asked three times.
    assert server.line.asked == ["POST /v1/landscapes"] * 3


def test_submit_asks_what_solve_asks(command: Command, server: Served) -> None:
    server.finish_at_once()
    given = (
        2, 3, "--starts", 7, "--seed", 4, "--input-dimension", 50, "--init-scale", 0.5,
        "--flow-tolerance", 1e-4, "--precision", "float32", "--sampled", "--structure", "1+1",
        "--structure", "2", "--saddles", "--widen", "--certify", "none", "--leak", 0.0,
        "--learning-rates", "0.05,0.1", "--server", server.url,
    )  # fmt: skip
    command("submit", *given)
    command("solve", *given)
    one, other = server.line.bodies
    assert one == other
    assert set(one) == set(LandscapeRequest.model_fields) - {"teacher_gram"}


@pytest.mark.parametrize("name", ["solve", "submit"])
def test_the_defaults_that_help_tells_are_the_request_s(name: str) -> None:
    fields = LandscapeRequest.model_fields
    told = {
        "structures" if key == "structure" else key: each.show_default
        for key, each in _parameters(name).items()
        if isinstance(each.show_default, str)
    }
    for key in (
        "starts", "seed", "input_dimension", "init_scale", "flow_tolerance", "precision", "certify",
    ):  # fmt: skip
        assert told[key] == str(fields[key].default), key
    assert float(told["leak"]) == fields["leak"].default
    assert (told["structured"], fields["structured"].default) == ("structured", True)
    assert (told["saddles"], fields["saddles"].default) == ("no-saddles", False)
    assert (told["widen"], fields["widen"].default) == ("no-widen", False)
    assert (told["structures"], fields["structures"].default) == ("the usual set", None)
    assert (told["learning_rates"], fields["learning_rates"].default) == ("none", ())


def test_cancelling(command: Command, server: Served) -> None:
    submit(server, REQUEST)
    at = ("--server", server.url)
    assert command("cancel", ID[:12], *at).stdout == f"{ID[:12]}: cancelling\n"
    assert server.service.jobs[ID].status.state == "cancelling"
    assert command.json("cancel", ID, *at)["state"] == "cancelling"
    assert "no job" in command("cancel", "0" * 12, *at, code=4).stderr
    assert "no job" in command("cancel", "0" * 64, *at, code=4).stderr


def test_cancelling_jobs_of_every_kind(command: Command, server: Served) -> None:
    """They were looked for among the landscapes, where none of them is."""
    at = ("--server", server.url)
    request = TrajectoryRequest(student_width=2, teacher_width=2)
    job = server.running.wait_for(server.service.submit(request))
    assert command("cancel", job.id[:8], *at).stdout == f"{job.id[:12]}: cancelling\n"
    assert server.service.jobs[job.id].status.state == "cancelling"
    # By its whole id as well, and with the kind that the server says.
    assert command.json("cancel", job.id, *at)["kind"] == "trajectory"


def test_pinning_and_letting_go(command: Command, server: Served) -> None:
    server.finish_at_once()
    submit(server, REQUEST)
    at = ("--server", server.url)
    assert command("pin", ID[:12], *at).stdout == f"{ID[:12]}: pinned\n"
    assert server.service.jobs[ID].status.pinned
    assert command.json("pin", ID, *at)["pinned"] is True
    assert command("unpin", ID[:12], *at).stdout == f"{ID[:12]}: not pinned\n"
    assert not server.service.jobs[ID].status.pinned
    assert command.json("unpin", ID, *at)["pinned"] is False
    assert "no job" in command("pin", "0" * 64, *at, code=4).stderr


def test_tagging(command: Command, server: Served) -> None:
    server.finish_at_once()
    submit(server, REQUEST)
    at = ("--server", server.url)
    assert command("tag", ID[:12], *at).stdout == f"{ID[:12]}: no tags\n"
    assert command("tag", ID[:12], "paper", "fig/3", *at).stdout == f"{ID[:12]}: fig/3, paper\n"
    words = ("old", "--remove", "paper", "--note", "for K = 3")
    assert command("tag", ID[:12], *words, *at).stdout == f"{ID[:12]}: fig/3, old\nfor K = 3\n"
    found = command.json("tag", ID, *at)
    assert (found["tags"], found["note"]) == (["fig/3", "old"], "for K = 3")
    assert [each["id"] for each in command.json("list", "--tag", "old", *at)] == [ID]
    assert command.json("list", "--tag", "paper", *at) == []
    assert "fig/3, old" in command("list", *at).stdout
    assert command.json("tag", ID, "--note", "", *at)["note"] is None
    assert "tags" in command("tag", ID, "two words", *at, code=2).stderr
    assert "no job" in command("tag", "0" * 64, "a", *at, code=4).stderr
    changes = [each for each in server.line.asked if each.startswith("PATCH")]
    assert len(changes) == 4  # to look is not to change


def test_deleting(command: Command, server: Served) -> None:
    server.finish_at_once()
    at = ("--server", server.url)
    submit(server, REQUEST)
    assert "write --yes" in command("delete", ID[:12], *at, code=2).stderr
    assert list(server.service.jobs) == [ID]
    assert command("delete", ID[:12], "--yes", *at).stdout == f"{ID[:12]}: deleted\n"
    assert server.service.jobs == {}
    submit(server, REQUEST)
    assert command.json("delete", ID, "--yes", *at) == {"id": ID, "deleted": True}
    assert server.service.jobs == {}
    assert "no job" in command("delete", ID, "--yes", *at, code=4).stderr


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, [ID]), ("", 1, [ID]), ("y", 0, [])])
def test_a_person_is_asked_before_a_job_is_deleted(
    command: Command, server: Served, monkeypatch: pytest.MonkeyPatch, answer: str, code: int,
    left: list[str],
) -> None:  # fmt: skip
    server.finish_at_once()
    submit(server, REQUEST)
    monkeypatch.setattr(pinning, "is_a_person_there", lambda: True)
    result = command("delete", ID, "--server", server.url, code=code, stdin=f"{answer}\n")
    assert f"Delete {ID[:12]} (landscape, finished)?" in result.stderr
    assert list(server.service.jobs) == left


def test_there_is_nothing_to_cancel_in_what_is_over(command: Command, server: Served) -> None:
    server.finish_at_once()
    submit(server, REQUEST)
    result = command("cancel", ID, "--server", server.url, code=1)
    assert result.stdout == f"{ID[:12]}: finished\n"


def _end(job: Job, state: str) -> None:
    job.fail("no luck") if state == "failed" else job.become("cancelled")


def test_the_list_by_state_and_kind(command: Command, server: Served) -> None:
    requests = [LandscapeRequest(student_width=2, teacher_width=2, seed=seed) for seed in range(6)]
    submit(server, *requests)
    ids = [each.content_id("cpu") for each in requests]
    for place, state in ((0, "failed"), (2, "cancelled"), (4, "cancelled")):
        server.service.from_thread(partial(_end, server.service.jobs[ids[place]], state))

    def listed(*words: object) -> list[str]:
        found = command.json("list", *words, "--server", server.url)
        return [each["id"] for each in found]

    assert listed("--state", "cancelled") == [ids[4], ids[2]]
    # The filter first, the limit then.
    assert listed("--state", "cancelled", "--limit", 1) == [ids[4]]
    assert listed("--state", "cancelled", "--state", "failed") == [ids[4], ids[2], ids[0]]
    assert listed("--kind", "landscape") == ids[::-1]
    assert listed("--kind", "trajectory") == []
    assert listed("--seed", 3) == [ids[3]]
    assert listed("--student-width", 2, "--teacher-width", 2, "--state", "failed") == [ids[0]]
    assert listed("--student-width", 3) == []
    assert listed("--sort=-seconds", "--limit", 2) == [ids[4], ids[2]]
    assert listed("--input-dimension", 7) == []
    assert listed("--mine", "--seed", 3, "--since", "2026-01-02", "--until", "2026-01-03") == [
        ids[3]
    ]
    assert listed("--text", "NO LUCK") == [ids[0]]
    for words, said in ((("--kind", "nothing"), "one of landscape"), (("--since", "x"), "since")):
        assert said in command("list", *words, "--server", server.url, code=2).stderr
    result = command("list", "--kind", "trajectory", "--server", server.url)
    assert (result.stdout, result.stderr) == ("", "there are no such jobs\n")
    assert f"{ids[0][:12]}: no luck" in command("list", "--server", server.url).stdout
    assert "'done'" in command("list", "--state", "done", code=2).stderr


def test_the_states_are_the_server_s() -> None:
    assert [each.value for each in State] == list(get_args(WireState))
