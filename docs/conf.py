"""Settings of the documentation site: ``sphinx-build -W --keep-going -b html docs build/site``.

Pages are Markdown that reads as well on a code host as on the site: names in code font become links
to their API pages, and links to ``../notebooks`` lead to rendered copies.
"""

import shutil
from importlib import import_module
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.writers.html5 import HTML5Translator

import skcondense

HERE = Path(__file__).parent
MODULES = (
    "skcondense",
    "skcondense.neural",
    "skcondense.audit",
    "skcondense.report",
    "skcondense.privacy",
    "skcondense.exceptions",
    "skcondense.testing",
)


def pages() -> dict[str, str]:
    """Public names, with and without their module, and what each is documented as.

    A name that two modules offer has one page, that of the first.
    """
    found = {module: module for module in MODULES}
    for module in MODULES:
        for name in import_module(module).__all__:
            found[f"{module}.{name}"] = found.setdefault(name, f"{module}.{name}")
    return found


PAGES = pages()

project = "skcondense"
copyright = "2026, the skcondense developers"
version = release = skcondense.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
templates_path = ["_templates"]
default_role = "literal"
smartquotes = False
toc_object_entries_show_parents = "hide"

myst_heading_anchors = 3
nb_execution_mode = "off"

# Pages of the API follow __all__ of each module, so that a new public name cannot be forgotten.
autosummary_ignore_module_all = False
autosummary_filename_map = {
    # On file systems that ignore case this file would replace that of the class Feasibility.
    "skcondense.privacy.feasibility": "skcondense.privacy.feasibility_function",
}
autosummary_context = {"pages": PAGES}
autodoc_typehints = "none"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"skcondense {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
# Pages without pages below them have nothing to show there.
html_sidebars = {"getting_started": [], "glossary": []}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "skcondense"},
    "header_links_before_dropdown": 8,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
    "show_toc_level": 2,
}


class LinkPublicNames(SphinxTransform):
    """Make a public name in code font a link to its API page."""

    default_priority = 400
    names = PAGES

    def apply(self) -> None:
        """Wrap the literals of one page."""
        for literal in list(self.document.findall(nodes.literal)):
            target = self.names.get(literal.astext())
            if target is None or _is_linked_or_heading(literal):
                continue
            link = addnodes.pending_xref(
                refdomain="py",
                reftype="obj",
                reftarget=target,
                refexplicit=True,
                refwarn=True,
                refdoc=self.env.docname,
            )
            literal.replace_self(link)
            link += literal


def _is_linked_or_heading(node: nodes.Node) -> bool:
    unsuitable = (nodes.title, nodes.rubric, nodes.reference, addnodes.pending_xref)
    while node.parent is not None:
        node = node.parent
        if isinstance(node, unsuitable):
            return True
    return False


def write_formula(writer: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers draw without a script from elsewhere."""
    as_block = isinstance(node, nodes.math_block)
    writer.body.append(tex2mathml(node.astext(), as_block=as_block))
    raise nodes.SkipNode


def skip_foreign(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Leave out methods that scikit-learn or torch wrote: their own pages describe them."""
    function = getattr(member, "fget", None) or member
    origin = getattr(function, "__module__", None) or "skcondense"
    return None if origin.split(".")[0] == "skcondense" else True


def copy_notebooks(app: Sphinx) -> None:
    """Sphinx reads nothing outside of its folder; the copies are ignored by git."""
    shutil.copytree(HERE.parent / "notebooks", HERE / "notebooks", dirs_exist_ok=True)


def link_to_copies(app: Sphinx, docname: str, source: list[str]) -> None:
    """Links to ``../notebooks`` are right on a code host; here the copies are one folder nearer."""
    source[0] = source[0].replace("](../notebooks/", "](notebooks/")
    source[0] = source[0].replace("](../../notebooks/", "](../notebooks/")


def setup(app: Sphinx) -> None:
    """Register the above."""
    app.add_transform(LinkPublicNames)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("builder-inited", copy_notebooks)
    app.connect("source-read", link_to_copies)
