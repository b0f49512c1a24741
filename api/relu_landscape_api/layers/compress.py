"""Answers compressed for those who accept it."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from relu_landscape_api.reading.negotiation import accepts_gzip


class Compress(GZipMiddleware):
    """Starlette's layer, which looks for the word ``gzip`` alone: ``gzip;q=0`` refuses it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            accepted = ",".join(Headers(scope=scope).getlist("accept-encoding"))
            scope = {**scope, "headers": list(scope["headers"])}
            headers = MutableHeaders(scope=scope)
            headers["Accept-Encoding"] = "gzip" if accepts_gzip(accepted) else "identity"
            scope["state"]["is_compressed_later"] = True
        await super().__call__(scope, receive, send)
