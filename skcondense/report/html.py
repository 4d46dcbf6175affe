"""The report of a release: its account as one page that fetches nothing and runs nothing."""

import re
from base64 import b64encode
from io import BytesIO
from typing import Any

import jinja2
from markupsafe import Markup

from skcondense._threads import without_warnings
from skcondense.report.document import Document, visible

__all__ = ["release_report"]

# Scripts, fonts and everything from elsewhere are forbidden, whatever the page may hold.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
# Identifiers in a picture, which would otherwise be random.
SALT = "skcondense"
CLIP_PATH = re.compile(rb'<clipPath id="(p[0-9a-f]{10})">')


def release_report(document: Document) -> str:
    """Write an account as HTML.

    Parameters
    ----------
    document : Document
        What `account_of` makes of a release.

    Returns
    -------
    str
        A page with its styles and pictures. The same account gives the same text.
    """
    return f"{_template().render(document=document, policy=POLICY).strip()}\n"


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("skcondense.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"paragraphs": _paragraphs, "picture": _picture, "visible": visible}
    style = environment.loader.get_source(environment, "report.css")[0]  # type: ignore[union-attr]
    environment.globals["style"] = Markup(style)
    return environment.get_template("report.html")


def _paragraphs(text: str) -> list[str]:
    """What blank lines divide."""
    return [part for part in visible(text).split("\n\n") if part.strip()]


def _picture(figure: Any) -> str:
    """A figure as the address of an image."""
    from matplotlib import rc_context

    file = BytesIO()
    # A font that lacks a sign of some column's name warns of it.
    with rc_context({"svg.hashsalt": SALT}), without_warnings():
        figure.savefig(file, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{b64encode(_numbered(file.getvalue())).decode('ascii')}"


def _numbered(svg: bytes) -> bytes:
    """Clip paths by number: matplotlib names some after addresses in memory, in spite of a salt."""
    for number, name in enumerate(CLIP_PATH.findall(svg)):
        svg = svg.replace(name, b"clip%d" % number)
    return svg
