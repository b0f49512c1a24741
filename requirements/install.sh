#!/bin/sh
# Sets up .venv from one of the lock files beside this script: install.sh serve | dev | gpu
#
# Every package comes from a hash in the lock. uv does the installing because it is ten times
# faster than pip here (2 s against 25 s, both with warm caches); where uv cannot reach the index but pip
# can, as on a machine whose mirror is configured for pip alone, pip does it from the same lock.
set -eu

cd "$(dirname "$0")/.."
wanted=$1
python=${PYTHON:-python3}
venv=.venv

stop() {
    printf '%s\n' "relu-landscape: $1" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    stop "$python was not found. Install it with: apt-get install python3 python3-venv"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "$python is Python $version; 3.11 or later is needed. Install one, for example with:
  apt-get install python3.11 python3.11-venv
and name it: make PYTHON=python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    stop "Python $version cannot make virtual environments. Install what is missing with:
  apt-get install python3-venv    (or python$version-venv)"
if [ "$wanted" = dev ]; then
    command -v git >/dev/null 2>&1 ||
        stop "git was not found; the tests ask it which files are tracked. Install it with:
  apt-get install git"
fi

# A virtual environment whose interpreter is gone (an upgrade, a copied folder) is made anew.
if [ -e "$venv" ] && ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
fi
[ -e "$venv/bin/pip" ] || "$python" -m venv "$venv"

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"
}

echo "relu-landscape: installing requirements/$wanted.lock into $venv"
pip install --require-hashes -r requirements/installer.lock
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --compile-bytecode \
    --require-hashes -r "requirements/$wanted.lock" ||
    pip install --require-hashes -r "requirements/$wanted.lock"

# Our own distributions, in place; the build tools were in the lock, so nothing else is fetched.
for project in . clients/python; do
    if [ -e "$project/pyproject.toml" ]; then
        pip install --no-deps --no-build-isolation --editable "$project"
    fi
done

# Every process would otherwise compile what it imports, at each start where PYTHONDONTWRITEBYTECODE
# is set: a second and more of the first answer.
"$venv/bin/python" -m compileall -q service api cli clients/python/src

# What computes here, or why it is not the native kernel: pip shows nothing of a build that succeeds.
"$venv/bin/python" -c '
from relu_landscape.engine.lanes.native import describe
print("relu-landscape:", describe())'

# The packages of serve.lock are all in dev.lock and gpu.lock, at the same versions.
touch "$venv/.$wanted" "$venv/.serve"
