"""Sphinx configuration: offline, executed, warnings are errors."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]
# Pages are executed in kernels of their own.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import docstrings  # noqa: E402
import fragments  # noqa: E402
import freshness  # noqa: E402
from sphinx.util.inspect import TypeAliasForwardRef  # noqa: E402

import refsolve  # noqa: E402

# Within another type an alias would be shown as TypeAliasForwardRef('ArrayLike').
TypeAliasForwardRef.__repr__ = lambda self: self.name

STALE = freshness.forget_if_stale()

project = "refsolve"
author = "refsolve developers"
copyright = "2026, refsolve developers"
version = release = refsolve.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
    "sphinx_click",
]

exclude_patterns = [
    "_build",
    "_ext",
    "gallery/**/*.ipynb",
    "gallery/**/*.py",
    "gallery/**/*.json",
    "gallery/**/*.zip",
    "gallery/**/*.md5",
    "gallery/*.ipynb",
    "gallery/*.py",
    "gallery/*.json",
    "gallery/*.zip",
    "gallery/*.md5",
    "sg_execution_times.rst",
]

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(freshness.CACHE)
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

mathjax_path = "tex-svg.js"

default_role = "literal"
autosummary_generate = False
autodoc_typehints = "description"
autodoc_type_aliases = {
    name: name
    for name in ("ArrayLike", "FloatArray", "IntArray", "BoolArray", "Start", "Ploidy", "Mapper")
}
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "write_computation_times": False,
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "run_stale_examples": STALE,
}

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["refsolve.css"]
html_favicon = "_static/favicon.svg"
html_title = f"refsolve {version}"
html_copy_source = False
templates_path = []


def setup(app):
    app.connect("builder-inited", lambda app: fragments.write_all())
    app.connect("env-get-outdated", lambda app, env, *changes: env.found_docs if STALE else [])
    app.connect("autodoc-process-docstring", docstrings.before_napoleon, priority=100)
    app.connect("autodoc-process-docstring", docstrings.headings_as_rubrics, priority=200)
    app.connect("autodoc-process-docstring", docstrings.after_napoleon, priority=900)
    for part in ("description", "options"):
        app.connect(f"sphinx-click-process-{part}", docstrings.options_as_code)
    app.connect("build-finished", freshness.remember)
