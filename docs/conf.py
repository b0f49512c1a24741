"""Sphinx makes the guide of these documents: ``make guide``. ``tools/guide`` stages them."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import relu_landscape  # noqa: E402 - after the path

project = "relu-landscape"
author = "the relu-landscape developers"
version = release = relu_landscape.__version__
copyright = "the relu-landscape developers; BSD-3-Clause"  # noqa: A001 - Sphinx's name

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
root_doc = "docs/index"
# A heading can be linked to by its words, as on a page of the repository.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist", "attrs_inline"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "inherited-members": "tuple,BaseException,Sequence"}
python_display_short_literal_types = True
add_module_names = False

html_theme = "pydata_sphinx_theme"
html_title = "relu-landscape"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "show_nav_level": 2,
    "external_links": [{"name": "Explorer", "url": "/"}],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
html_copy_source = False
