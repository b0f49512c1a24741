"""igraph's graphs without what comes with them.

``igraph.Graph`` extends the class of its extension module with drawing, for which it imports
matplotlib wherever that is installed: a second of processor time, for two methods that are there
before. So the extension module is loaded by itself.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

EXTENSION = "igraph._igraph"


@cache
def graph_type() -> Any:
    """``GraphBase(n=..., edges=...)``, or all of ``igraph.Graph`` where it is not by itself."""
    if EXTENSION in sys.modules:
        return sys.modules[EXTENSION].GraphBase
    package = find_spec("igraph")
    if package is not None and package.submodule_search_locations is not None:
        found = PathFinder.find_spec(EXTENSION, package.submodule_search_locations)
        if found is not None and found.loader is not None:
            extension = module_from_spec(found)
            found.loader.exec_module(extension)
            return extension.GraphBase
    import igraph

    return igraph.Graph
