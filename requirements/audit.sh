#!/bin/sh
# Asks whether a locked package has a known hole: audit.sh [LOCK], by default what serves.
#
# The advisories are those of the package index (AUDIT_SERVICE). Where that cannot be reached nothing
# is known, which is a failure and not an all-clear.
set -eu

cd "$(dirname "$0")/.."
lock=${1:-requirements/serve.lock}
service=${AUDIT_SERVICE:-https://pypi.org/pypi/pip/json}
python=.venv/bin/python
[ -x "$python" ] || python=${PYTHON:-python3}

"$python" - "$service" <<'END' || exit 1
import sys, urllib.request

try:
    urllib.request.urlopen(sys.argv[1], timeout=10).close()
except (OSError, ValueError) as error:
    sys.exit(f"relu-landscape: nothing was checked: {sys.argv[1]} cannot be reached ({error})")
END
# --disable-pip: the lock names everything, with hashes, so nothing is resolved or downloaded.
exec .venv/bin/uv tool run --from 'pip-audit>=2.10,<3' \
    pip-audit --strict --require-hashes --disable-pip --requirement "$lock"
