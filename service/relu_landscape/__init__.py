"""Loss landscapes of two-layer ReLU networks in the teacher-student setting."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("relu-landscape")
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0+unknown"

#: Part of every content id: raised whenever a change can alter a result.
ALGORITHM = "6"
