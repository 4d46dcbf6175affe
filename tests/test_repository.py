"""The repository's own papers say what is so."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

import skcondense

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
# The built site and the copies of notebooks are no sources.
SOURCES = [
    *DOCS.glob("*.md"),
    *(path for path in DOCS.glob("*/*.md") if path.parent.name not in ("generated", "notebooks")),
]
PAGES = {path.relative_to(DOCS).with_suffix("").as_posix(): path for path in SOURCES}
PAPERS = sorted(ROOT.glob("*.md"))
EPSILONS = (0.5, 1, 2, 4, 8)


def text_of(path):
    return path.read_text(encoding="utf-8")


def prose_of(path):
    """Without fenced blocks, in which # begins a comment and a link is none."""
    return re.sub(r"^```.*?^```", "", text_of(path), flags=re.DOTALL | re.MULTILINE)


def settings():
    return tomllib.loads(text_of(ROOT / "pyproject.toml"))


def entries_of(page):
    """Pages that the toctrees of a page list."""
    for options_and_names in re.findall(
        r"^```\{toctree\}\n(.*?)^```", text_of(PAGES[page]), flags=re.DOTALL | re.MULTILINE
    ):
        for line in options_and_names.splitlines():
            named = re.fullmatch(r"(?:.*<(\S+)>|([^:\s]\S*))\s*", line)
            if named:
                yield normal(PurePosixPath(page).parent / (named[1] or named[2]))


def normal(path):
    parts = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def reachable(page, seen):
    seen.add(page)
    for entry in entries_of(page):
        for name in PAGES:
            if fnmatch(name, entry) and name not in seen:
                reachable(name, seen)
    return seen


def anchors_of(path):
    """As code hosts and the site make them of headings."""
    for heading in re.findall(r"^#+ (.*)$", prose_of(path), flags=re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links_of(path):
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", prose_of(path)):
        yield (path.parent / target).resolve() if target else path, anchor


def test_one_version():
    said = re.search(r"^version: (\S+)$", text_of(ROOT / "CITATION.cff"), flags=re.MULTILINE)
    assert said[1] == skcondense.__version__
    newest = re.search(r"^## (\S+)", text_of(ROOT / "CHANGELOG.md"), flags=re.MULTILINE)
    assert newest[1] == skcondense.__version__
    minor = ".".join(skcondense.__version__.split(".")[:2])
    assert f"| {minor} | yes |" in text_of(ROOT / "SECURITY.md")


def test_one_licence():
    said = re.search(r"^license: (\S+)$", text_of(ROOT / "CITATION.cff"), flags=re.MULTILINE)
    assert said[1] == settings()["project"]["license"]


def test_every_page_is_in_the_contents():
    # Sphinx would warn too, but is not installed where the tests must pass.
    assert set(PAGES) - reachable("index", set()) == set()


def test_contents_list_no_page_that_is_missing():
    listed = {entry for page in PAGES for entry in entries_of(page)}
    notebooks = {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    known = set(PAGES) | notebooks
    assert [entry for entry in listed if not any(fnmatch(name, entry) for name in known)] == []


@pytest.mark.parametrize("name", PAGES)
def test_page_has_a_title_and_says_something(name):
    title, _, rest = prose_of(PAGES[name]).partition("\n")
    assert re.match(r"# \S", title)
    assert len(re.sub(r"^#.*$", "", rest, flags=re.MULTILINE).split()) >= 20


@pytest.mark.parametrize("path", [*PAPERS, *SOURCES], ids=lambda p: p.stem)
def test_links_lead_to_files_and_headings(path):
    # `test_docs` looks for files only, and in docs/ only.
    for target, anchor in links_of(path):
        assert target.exists(), f"{path.name} links to {target.name}, which is missing"
        if anchor and target.suffix == ".md":
            assert anchor in set(anchors_of(target)), f"{path.name}: {target.name}#{anchor}"


def test_extras_that_the_papers_install_exist():
    extras = set(settings()["project"]["optional-dependencies"])
    for path in [*PAPERS, *SOURCES]:
        for names in re.findall(r"(?:\.|skcondense)\[([a-z,]+)\]", text_of(path)):
            assert set(names.split(",")) <= extras, path.name


def test_checks_that_are_left_out_are_explained():
    explained = text_of(ROOT / "CONTRIBUTING.md")
    for check in settings()["tool"]["repo-review"]["ignore"]:
        assert f"| `{check}`, " in explained


def test_governance_names_files_that_a_release_has():
    written = "\n".join(text_of(path) for path in (ROOT / "skcondense" / "report").glob("*.py"))
    named = re.findall(r"`([A-Za-z]+\.(?:md|json|html|csv))`", text_of(DOCS / "governance.md"))
    assert set(named) >= {"CARD.md", "report.html", "privacy.json", "audit.json", "schema.json"}
    assert [name for name in sorted(set(named)) if f'"{name}"' not in written] == []


def test_odds_in_governance_are_what_its_code_prints(capsys):
    page = text_of(DOCS / "governance.md")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(code, "governance.md", "exec"), {})
    printed = capsys.readouterr().out.replace("%", " %").splitlines()
    assert [float(line.split(" | ")[0]) for line in printed] == list(EPSILONS)
    for line in printed:
        assert f"\n| {line} |\n" in page
