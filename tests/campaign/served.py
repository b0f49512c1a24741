"""The HTTP service in a process of its own, with the toy engine: what the campaign kills."""

from __future__ import annotations

import sys


def main() -> int:
    # Here, because every worker imports this module anew when it starts.
    from relu_landscape_api.serve import serve
    from tests.service.jobs.toy_engine import TOY

    return serve(registry=TOY)


if __name__ == "__main__":
    sys.exit(main())
