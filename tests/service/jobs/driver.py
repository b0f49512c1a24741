"""A process that serves landscapes as the API process does, for tests that kill it.

``python -m tests.service.jobs.driver`` reads one JSON request per line from standard input and
answers each with the job's id, once it is acknowledged. Settings come from the environment.
SIGTERM and the end of the input end it gracefully.
"""

from __future__ import annotations

import asyncio
import signal
import sys


async def serve() -> None:
    # Here, because every worker imports this module anew when it starts.
    import orjson

    from relu_landscape.jobs.service import AnalysisService
    from relu_landscape.settings import Settings
    from relu_landscape.wire.requests import LandscapeRequest
    from relu_landscape.wire.sweeps import SweepRequest
    from tests.service.jobs.toy_engine import SWEPT

    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, lines.feed_eof)
    async with AnalysisService.open(Settings.load(), registry=SWEPT) as service:
        print("ready", flush=True)
        while line := await lines.readline():
            asked = orjson.loads(line)
            model = SweepRequest if "grid" in asked else LandscapeRequest
            status = await service.submit(model(**asked))
            print(status.id, flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
