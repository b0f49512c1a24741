"""``python -m relu_landscape_api``: the service with the settings of the environment."""

from __future__ import annotations

import sys

from relu_landscape_api.serve import serve

if __name__ == "__main__":
    sys.exit(serve())
