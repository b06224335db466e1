"""Sphinx: `make docs` builds site/ from these pages."""

project = "truefit"
copyright = "the truefit authors, Apache-2.0"  # noqa: A001 - Sphinx reads this name
html_title = "truefit"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["site"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True, "sidebar_hide_name": False}
html_show_sourcelink = False
suppress_warnings = ["misc.highlighting_failure"]  # transcripts and YAML with `???` are no language
