"""The documentation site builds without a warning, is whole, and needs no network."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.test_browser import BROWSER, opened

ROOT = Path(__file__).parent.parent
MODULES = ["", ".neural", ".audit", ".report", ".privacy"]
TOOLS = ["sphinx", "myst_nb", "pydata_sphinx_theme", "numpydoc", "torch"]
MISSING = [name for name in TOOLS if find_spec(name) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class Page(HTMLParser):
    """What a page fetches, where its links lead, its anchors, and the words of its article."""

    def __init__(self, path):
        super().__init__()
        self.fetched, self.links, self.anchors, self.words = [], [], set(), 0
        self.in_article = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.in_article |= tag == "article"
        self.anchors.add(attrs.get("id"))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        elif tag == "link" and attrs.get("rel") in ("stylesheet", "preload", "icon"):
            self.fetched.append(attrs["href"])
        elif attrs.get("src"):
            self.fetched.append(attrs["src"])

    def handle_endtag(self, tag):
        self.in_article &= tag != "article"

    def handle_data(self, data):
        self.words += self.in_article * len(data.split())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A build from scratch, and its pages by path."""
    folder = tmp_path_factory.mktemp("site")
    # Pages of names that are gone would stay there.
    shutil.rmtree(ROOT / "docs" / "generated", ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-b", "html"]
    command += ["-d", str(folder / "doctrees"), "docs", str(folder / "html")]
    # A proxy that nobody answers: a build that asks the network fails.
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    environment = {**os.environ, **offline}
    built = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    # numpydoc warns through Python, which -W does not count.
    assert not built.stderr, built.stderr
    paths = (folder / "html").rglob("*.html")
    return {path: Page(path) for path in paths if "_static" not in path.parts}


def test_every_page_has_content(site):
    sources = [path for path in ROOT.glob("docs/**/*.md") if "build" not in path.parts]
    sources += list(ROOT.glob("notebooks/*.ipynb"))
    pages = {path.stem for path in site}
    assert {path.stem for path in sources} <= pages
    empty = [
        path.name
        for path, page in site.items()
        if page.words < 5 and path.stem not in ("search", "genindex", "py-modindex")
    ]
    assert not empty


def test_every_public_name_has_a_page_and_a_line(site):
    listed = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    anchors = set().union(*(page.anchors for page in site.values()))
    for module in (f"skcondense{room}" for room in MODULES):
        for name in import_module(module).__all__:
            places = {f"{module}.{name}", f"skcondense.{name}"}
            assert places & anchors, f"{module}.{name} has no page"
            assert f"`{name}`" in listed, f"docs/api.md does not list {name} of {module}"


def test_no_page_fetches_from_the_network(site):
    remote = {url for page in site.values() for url in page.fetched if urlsplit(url).netloc}
    assert not remote
    static = next(iter(site)).parents[0]
    while not (static / "_static").exists():
        static = static.parent
    for style in (static / "_static").rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text), style.name


def test_no_page_shows_where_it_was_built(site):
    for path in site:
        assert str(ROOT) not in path.read_text(encoding="utf-8"), path.name


def test_no_internal_link_is_broken(site):
    broken = []
    for path, page in site.items():
        for link in [*page.links, *page.fetched]:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            anchor = unquote(url.fragment)
            if not target.exists() or (
                target in site and anchor and anchor not in site[target].anchors
            ):
                broken.append(f"{path.name}: {link}")
    assert not broken


@pytest.mark.skipif(BROWSER is None, reason="no browser")
def test_the_start_page_in_a_browser(site, tmp_path):
    start = next(p for p in site if p.name == "index.html" and (p.parent / "_static").exists())
    shown, said, asked = opened(start, tmp_path / "profile", "--dump-dom")
    # The theme tells that nobody has chosen between light and dark yet, and what it took.
    by_theme = re.compile(r"Got invalid theme mode|\[PST\]: Changed to")
    assert not [line for line in said if not by_theme.search(line)]
    assert all(url.startswith(("file:", "data:")) for url in asked), asked
    assert "Condense a private clinical table" in shown
