"""A wire between two programs that a test can slow down, fall silent, or cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

#: Of one read; what waits in the kernel beyond it is not seen.
PIECE_BYTES = 65536


class Wire:
    """Listens on a free port of this machine and passes on to wherever ``connect`` leads.

    ``delay_seconds`` is added to every piece that passes, in either direction.
    """

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self.delay_seconds = 0.0
        self.port = 0
        #: Bytes that arrived while it was silent, and pieces that were passed on.
        self.swallowed, self.passed = 0, 0
        self._is_deaf = False
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    @classmethod
    def to_socket(cls, path: str) -> Wire:
        """To a Unix socket."""
        return cls(lambda: asyncio.open_unix_connection(path))

    @classmethod
    def to_port(cls, port: int) -> Wire:
        """To a port of this machine."""
        return cls(lambda: asyncio.open_connection("127.0.0.1", port))

    def __enter__(self) -> Wire:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hold(self) -> None:
        """Silence, as of a network that loses everything: connections stay, nothing arrives.

        What is sent meanwhile arrives afterwards, as TCP sees to.
        """
        self._do(self._let_pass(False))

    def swallow(self) -> None:
        """The same, but what is sent meanwhile never arrives: the connections are of no use."""
        self._is_deaf = True

    def go_on(self) -> None:
        """From now on everything passes; connections that lost something are cut."""
        if self._is_deaf:
            self._is_deaf = False
            self.cut()
        self._do(self._let_pass(True))

    def cut(self) -> None:
        """End every connection, in the midst of whatever is on its way."""
        self._do(self._cut())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _let_pass(self, may: bool) -> None:
        self._may_pass.set() if may else self._may_pass.clear()

    async def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()
        self._may_pass.set()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._open |= both
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                if self._is_deaf:
                    self.swallowed += len(piece)
                    continue
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._may_pass.wait()
                writer.write(piece)
                await writer.drain()
                self.passed += 1
        writer.transport.abort()

    def _do(self, what: Awaitable[None]) -> None:
        async def done() -> None:
            await what

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(60)
