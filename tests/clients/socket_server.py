"""The fake server on a real socket, for programs that are given an address."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

from tests.clients.fake import FakeServer


@contextmanager
def listening(server: FakeServer) -> Iterator[str]:
    """The address at which ``server`` answers; a stream that breaks breaks the connection."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            response = server.answer(
                httpx2.Request(
                    self.command, f"http://fake{self.path}", headers=list(self.headers.items()),
                    content=self.rfile.read(size),
                )
            )  # fmt: skip
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for chunk in response.iter_bytes():
                    self.wfile.write(chunk)
            except httpx2.ReadError:
                self.connection.close()

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names of http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            # A reader who has seen enough hangs up; that is no fault.
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    with Server(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_address[1]}"
        finally:
            httpd.shutdown()
            thread.join()
