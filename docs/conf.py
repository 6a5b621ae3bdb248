"""Build by ``python -m sphinx -W --keep-going -b html docs docs/_build/html``."""

import sys
from pathlib import Path

import mathjax

import skmmrr

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skmmrr"
copyright = "the skmmrr developers"
author = "The skmmrr developers"
version = release = skmmrr.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "bench_table",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
highlight_language = "none"  # but where a block names its own
default_role = "code"  # numpydoc's single backticks: names of parameters
nitpicky = False
show_warning_types = True

# Markdown

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Reference

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings name types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the templates list them
numpydoc_xref_param_type = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Gallery

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("skmmrr",),
    "reset_argv": "example_arguments.example_arguments",
    "within_subsection_order": "example_arguments.ExampleOrder",
    "capture_repr": (),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "plot_gallery": "True",
    "remove_config_comments": True,
}

# HTML: nothing is fetched from elsewhere, so that the pages work without a network

html_theme = "pydata_sphinx_theme"
html_title = f"skmmrr {version}"
html_show_sourcelink = False
# MathJax comes as a file of a package; this one draws glyphs by itself and needs no font
_mathjax = Path(mathjax.__file__).parent / "static" / "mathjax" / "es5" / "tex-svg.js"
html_static_path = ["_static", str(_mathjax)]
mathjax_path = _mathjax.name
mathjax3_config = {"svg": {"fontCache": "global"}, "options": {"enableMenu": False}}
html_css_files = ["skmmrr.css"]
html_sidebars = {"results/**": ["sidebar-nav-bs"], "equations": []}
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
