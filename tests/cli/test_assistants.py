"""``relu-landscape mcp`` as an assistant uses it: the SDK's own client, over a pipe."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from relu_landscape_cli import assistants
from relu_landscape_client import Client, atlas
from tests.cli.conftest import Command
from tests.clients.samples import ID
from tests.clients.served import Served

sdk = pytest.importorskip("mcp", reason="the package mcp is not installed: pip install mcp")


@asynccontextmanager
async def assistant(url: str) -> AsyncIterator[Any]:
    """A conversation with the command, in a process of its own."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "relu_landscape_cli.main", "mcp", "--server", url],
        env=dict(os.environ),
    )
    async with stdio_client(command) as streams, sdk.ClientSession(*streams) as session:
        await session.initialize()
        yield session


async def asked(session: Any, tool: str, **arguments: Any) -> Any:
    answer = await session.call_tool(tool, arguments)
    [said] = answer.content
    assert not answer.is_error, said.text
    return json.loads(said.text)


async def test_an_assistant_asks_for_all_there_is(server: Served) -> None:
    server.finish_at_once()
    async with assistant(server.url) as session:
        offered = {each.name: each for each in (await session.list_tools()).tools}
        assert set(offered) == {"landscape", "locate", "family", "atlas"}
        assert offered["landscape"].input_schema["required"] == ["student_width", "teacher_width"]
        assert all(each.description for each in offered.values())

        found = await asked(session, "landscape", student_width=2, teacher_width=2, starts=10)
        assert found["id"] == ID
        minima = [each["loss"] for each in found["fixed_points"] if each["kind"] == "minimum"]
        assert len(minima) == 2
        assert "overlaps" not in json.dumps(found)

        told = await asked(
            session, "family", structure="one-anti-aligned", student_width=6, teacher_width=6,
            leak=-0.5,
        )  # fmt: skip
        assert server.service.called[-1][1].model_dump()["leak"] == -0.5
        with Client(server.url) as client:
            assert told["loss"] == client.family(6, 6, "one-anti-aligned").document["loss"]

        known = next(each for each in atlas().cells if each.spurious_minima)
        widths = {"student_width": known.student_width, "teacher_width": known.teacher_width}
        cell = await asked(session, "atlas", **widths)
        losses = [each["loss"] for each in cell["fixed_points"]]
        assert losses == [each.loss for each in known.fixed_points]

        where = await asked(session, "locate", weights=[[1.0, 0.0]], teacher=[[1.0, 0.0]])
        assert where["id"]


async def test_what_goes_wrong_is_said_in_a_sentence(server: Served) -> None:
    async with assistant("http://127.0.0.1:1") as session:
        answer = await session.call_tool("family", {"structure": "1+6", "student_width": 7,
                                                    "teacher_width": 7})  # fmt: skip
        assert answer.is_error
        assert "127.0.0.1:1" in answer.content[0].text
        answer = await session.call_tool("atlas", {"student_width": 999, "teacher_width": 1})
        assert answer.is_error
        assert "the atlas has no 999 students" in answer.content[0].text


def test_without_the_sdk_the_line_that_installs_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert "pip install 'relu-landscape[mcp]'" in command("mcp", code=2).stderr


def test_matrices_are_left_out_at_any_depth() -> None:
    document = {"a": [{"loss": 1, "Q": [[1]]}], "overlaps": {"R": [[1]]}, "b": {"certificate": 1}}
    assert assistants._shortened(document) == {"a": [{"loss": 1}], "b": {}}
