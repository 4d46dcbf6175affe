"""The report of a release in a real browser: no error, no request, and its words are there."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from tests.test_report import full_release, page_of

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser: none of {', '.join(NAMES)} is on the path"
)


def opened(path, profile, *flags):
    """A page after its scripts ran, and what the browser said and asked for meanwhile."""
    log = profile / "net.json"
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
        "--disable-background-networking", "--disable-component-update", "--no-first-run",
        "--enable-logging=stderr", "--v=0", f"--log-net-log={log}",
        "--virtual-time-budget=5000", *flags, path.as_uri(),
    ]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = [line for line in found.stderr.splitlines() if ":CONSOLE" in line]
    return found.stdout, said, _asked(json.loads(log.read_text(encoding="utf-8")))


def _asked(log):
    """Addresses that a page asked for; what the browser asks for by itself has no origin."""
    every = [event.get("params", {}) for event in log["events"]]
    return {
        facts["url"]
        for facts in every
        if "url" in facts and facts.get("initiator", "not an origin") != "not an origin"
    }


class Words(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_data(self, data):
        self.found.append(data)


def test_the_report_renders_and_asks_for_nothing(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page_of(full_release()), encoding="utf-8")
    shown, said, asked = opened(path, tmp_path / "profile", "--dump-dom")
    assert not said
    assert {url for url in asked if not url.startswith(("data:", "file:"))} == set()
    words = "".join(Words(shown).found)
    for text in ("May it be released?", "What an attacker can do at best", "Signatures"):
        assert text in words


def test_a_page_that_does_ask_is_noticed(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(
        "<!DOCTYPE html><title>x</title><script>console.error('trouble')</script>"
        "<img src='http://127.0.0.1:9/picture.png'>"
    )
    _, said, asked = opened(path, tmp_path / "profile", "--dump-dom")
    assert any("trouble" in line for line in said)
    assert "http://127.0.0.1:9/picture.png" in asked


def test_the_policy_stops_what_a_page_would_run_or_fetch(tmp_path):
    path = tmp_path / "report.html"
    planted = "<script>document.title = 'run'</script><img src='http://127.0.0.1:9/picture.png'>"
    page = page_of(full_release()).replace("</main>", f"{planted}</main>")
    path.write_text(page, encoding="utf-8")
    shown, said, asked = opened(path, tmp_path / "profile", "--dump-dom")
    assert "<title>run</title>" not in shown
    assert any("Content Security Policy" in line for line in said)
    assert not any(url.startswith("http") for url in asked)


@pytest.mark.parametrize("width", [390, 1100])
def test_nothing_is_wider_than_the_screen(tmp_path, width):
    # The page itself forbids scripts, so it is looked at in a frame of another page.
    (tmp_path / "report.html").write_text(page_of(full_release()), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"<!DOCTYPE html><iframe id=f src=report.html style='width:{width}px;height:900px;"
        "border:0'></iframe><p id=said></p><script>onload = () => { const page = "
        "document.getElementById('f').contentDocument.documentElement; "
        "document.getElementById('said').textContent = "
        "`${page.scrollWidth} of ${page.clientWidth}`; }</script>"
    )
    shown, _, _ = opened(
        frame, tmp_path / "profile", "--allow-file-access-from-files", "--dump-dom"
    )
    wide, screen = map(int, re.search(r"(\d+) of (\d+)", shown).groups())
    assert screen > 0.9 * width
    assert wide <= screen
