"""Settings of Sphinx for the site that scripts/build_site.py builds."""

import re

import gliofield

project = "gliofield"
author = "gliofield contributors"
copyright = author  # noqa: A001
version = release = gliofield.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

html_theme = "furo"
html_title = "gliofield"
html_show_copyright = html_show_sourcelink = False
html_copy_source = False

myst_heading_anchors = 4
# `name` in a docstring is a link where there is such a name, else it is code; of several of a name one is taken.
default_role = "py:obj"
suppress_warnings = ["ref.python"]
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"


def setup(app):
    """Make docstrings fit a page of many: |A| is a number of voxels, no substitution, and [1] is one's own."""

    def adapt(app, what, name, object_, options, lines):
        for number, line in enumerate(lines):
            if not line.lstrip().startswith(">>>"):
                line = re.sub(r"^(\s*)\.\. (\[\d+\])", r"\1*  \2", line.replace("|", r"\|"))
                lines[number] = re.sub(r"(\[\d+\])_", r"\1", line)

    app.connect("autodoc-process-docstring", adapt)
