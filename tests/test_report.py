"""The report and the card of a release: one account, for people, safe to open anywhere."""

import json
import math
import re
from base64 import b64decode
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    PrivacyLedger,
    RandomCondenser,
    TableSchema,
)
from skcondense.audit import (
    Audit,
    closeness_audit,
    compare_utility,
    membership_audit,
    subgroup_audit,
)
from skcondense.privacy import PrivacyStatement, Spend
from skcondense.report.account import ReleaseFacts, account_of
from skcondense.report.card import release_card
from skcondense.report.document import (
    Bullets,
    Document,
    Notice,
    Paragraph,
    Section,
    Table,
    Verdict,
    visible,
)
from skcondense.report.gloss import GLOSSES
from skcondense.report.html import release_report
from skcondense.report.measured import NOT_COVERED
from skcondense.report.privacy_words import LedgerExtract, percent_up, promise

HOSTILE = "<script>alert(1)</script>\"'`|*_[x](http://x)&amp; \u202egnp.exe \u0645\u0631\u062d 😷"
FILES = {"condensed.csv": "0" * 64, HOSTILE: "f" * 64}


def spend(mu=0.5, run="a", unit="patient"):
    names = {"by": "ClusterCondenser", "query": "cells", "mechanism": "gaussian"}
    return Spend(run=run, mu=mu, sensitivity=1.0, noise=2.0, size=3, unit=unit, at="then", **names)


def statement(mu=0.5, **terms):
    terms = {"delta": 1e-5, "neighbors": "add_remove", "unit": "patient"} | terms
    return PrivacyStatement.of([spend(mu)], seeded_noise=False, **terms)


@cache
def table(n=240):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.integers(20, 90, n),
            HOSTILE: rng.normal(size=n),
            "site": rng.choice([HOSTILE, "south"], n),
        }
    )
    return X, pd.Series((X["age"] + rng.normal(0, 20, n) > 55).astype(int), name="ill")


SCHEMA = TableSchema(
    (
        ColumnSchema(name="age", kind="integer", bounds=(18, 110), unit="years"),
        ColumnSchema(name=HOSTILE, kind="numeric", bounds=(-5, 5)),
        ColumnSchema(name="site", kind="binary", categories=(HOSTILE, "south")),
    )
)


@cache
def condensed():
    X, y = table()
    return ClusterCondenser(10, schema=SCHEMA, random_state=0, labels="mean").condense(
        X[:120], y[:120]
    )


@cache
def full_release():
    """A private set of a hostile table, with everything that was measured on it."""
    X, y = table()
    train, test = (X[:120], y[:120]), (X[120:], y[120:])
    # A statement of its own: what is written about one does not depend on the rows.
    found = replace(condensed(), privacy=statement(), real_row_matches=None)
    utility = compare_utility(
        found, test, train=train, by=("site",), n_bootstrap=20, random_state=0,
        estimators={"logistic": LogisticRegressionOfNumbers(), "tree": TreeOfNumbers()},
    )  # fmt: skip
    parts = {
        "closeness": closeness_audit(found, X[:120], X[120:], random_state=0),
        "membership": membership_audit(found, train, test, random_state=0),
        "subgroups by site": subgroup_audit(
            found, test, "site", members=train, n_bootstrap=20, random_state=0,
            estimators={"tree": TreeOfNumbers()},
        ),
    }  # fmt: skip
    left_out = {"one run": "no condenser was given"}
    audit = Audit(parts, left_out, found.privacy.short, found.digest)
    ledger = PrivacyLedger()
    ledger.charge(spend())
    return ReleaseFacts(
        name="release",
        condensed=found,
        purpose=f"To train models.\n\n{HOSTILE}",
        population=HOSTILE,
        ledger=LedgerExtract.of(ledger, found.privacy),
        audit=audit,
        utility=utility,
    )


class LogisticRegressionOfNumbers(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        return super().fit(X[["age", HOSTILE]].to_numpy(), y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(X[["age", HOSTILE]].to_numpy())


class TreeOfNumbers(DecisionTreeClassifier):
    def __init__(self):
        super().__init__(max_depth=2, random_state=0)

    def fit(self, X, y, sample_weight=None):
        return super().fit(X[["age", HOSTILE]].to_numpy(), y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(X[["age", HOSTILE]].to_numpy())


def page_of(release, files=FILES):
    return release_report(account_of(release, files))


class Page(HTMLParser):
    """Elements, their attributes and text; closing tags must fit."""

    EMPTY = ("meta", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f"{data}\n" if self.open[-1:] != ["style"] else ""

    def all(self, *tags):
        return [attrs for tag, attrs in self.elements if tag in tags]


@pytest.fixture(scope="module")
def page():
    return page_of(full_release())


def test_the_page_fetches_and_runs_nothing(page):
    found = Page(page)
    assert {tag for tag, _ in found.elements} <= {
        "html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "h1",
        "h2", "h3", "p", "a", "ul", "ol", "li", "dl", "div", "dt", "dd", "table", "thead", "tbody",
        "tr", "th", "td", "bdi", "figure", "figcaption", "img", "pre", "code",
    }  # fmt: skip
    for _, attrs in found.elements:
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        assert attrs.get("src", "data:image/").startswith("data:image/")
        assert attrs.get("href", "#").startswith("#")
    policies = [a["content"] for a in found.all("meta") if "http-equiv" in a]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
                        "base-uri 'none'"]  # fmt: skip
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_pictures_are_svg_without_scripts_and_links(page):
    pictures = [attrs["src"] for attrs in Page(page).all("img")]
    assert len(pictures) == 4
    for source in pictures:
        root = ElementTree.fromstring(b64decode(source.split(",")[1]))
        assert not [e for e in root.iter() if e.tag.endswith(("script", "foreignObject"))]
        links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(link.startswith("#") for link in links)


def test_the_page_can_be_read_aloud_and_by_keyboard(page):
    found = Page(page)
    assert found.all("html")[0]["lang"] == "en"
    assert any("width=device-width" in a.get("content", "") for a in found.all("meta"))
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(len(attrs["alt"]) > 30 for attrs in found.all("img"))
    assert all(attrs["scope"] in ("row", "col") for attrs in found.all("th"))
    ids = [attrs["id"] for _, attrs in found.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for attrs in found.all("a")} <= set(ids)
    scrolled = [attrs for attrs in found.all("div") if attrs.get("class", "").startswith("scroll")]
    assert len(scrolled) == len(found.all("table", "img"))
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in scrolled)


def test_text_of_colours_can_be_told_from_its_ground(page):
    # WCAG 2.2, 1.4.3: at least 4.5 to 1.
    pairs = [("#1c2430", "#fff"), ("#4a5565", "#fff"), ("#0b4f9e", "#fff"), ("#704900", "#fdf6e7"),
             ("#1a5c32", "#f2f5f8"), ("#8c1b18", "#fcefee"), ("#1c2430", "#fdf6e7")]  # fmt: skip
    for pair in pairs:
        assert all(colour in page for colour in pair)
        light, dark = sorted(map(_luminance, pair), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_from_data_is_text_on_page_and_card(page):
    shown = visible(HOSTILE)
    assert "[U+202E]" in shown
    assert "😷" in shown
    # Purpose, population, a column, a category, a file, a subgroup.
    assert Page(page).text.count(shown) >= 6
    card = release_card(account_of(full_release(), FILES))
    for text in (page, card):
        assert not re.search(r"(?<!\\)<script", text)
        assert "\u202e" not in text
    assert not re.search(r"(?<!\\)\]\(http", card)
    # Escaped pipes divide no cells: all lines of a table have as many.
    for block in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(counts) == 1, block


def test_blank_lines_of_a_purpose_begin_paragraphs_and_nothing_else(page):
    assert '<p dir="auto">To train models.</p>' in page
    release = replace(full_release(), purpose="# Title\n\n- item\n\n1. first\n\n    code")
    card = release_card(account_of(release, {}))
    assert "\n\\# Title\n\n\\- item\n" in card
    assert "1. first" not in card


def test_the_same_account_gives_the_same_bytes(page):
    assert page_of(full_release()) == page


@pytest.mark.parametrize("neighbors", ["add_remove", "replace"])
@pytest.mark.parametrize("unit", ["patient", "row"])
def test_limits_are_those_of_the_statement_rounded_up(neighbors, unit):
    mu = 0.83
    said = statement(mu, neighbors=neighbors, unit=unit)
    blocks = promise(said, None, 500.0)
    rows = next(block.rows for block in blocks if isinstance(block, Table))
    assert int(rows[0][2].replace(",", "")) == math.ceil(2000 * norm.cdf(mu / 2))
    assert int(rows[1][2]) == math.ceil(1000 * norm.cdf(norm.ppf(0.01) + mu))
    text = "\n".join(block.text for block in blocks if isinstance(block, Paragraph))
    odds = math.exp(said.epsilon)
    assert f"at most {math.ceil(100 * odds / (1 + odds))} in 100 of its accusations" in text
    # Five who hang together: their mu adds up.
    five = statement(5 * mu).epsilon
    bullets = [item for block in blocks if isinstance(block, Bullets) for item in block.items]
    assert any(f"epsilon is {five:.4g}" in item for item in bullets)
    assert ("with 5 rows" in text) == (unit == "row")


@pytest.mark.parametrize("share", [0.5, 0.501, 0.7310586, 0.99, 0.9901, 0.99995, 1 - 1e-9])
def test_percentages_are_rounded_up_but_not_to_certainty(share):
    shown = float(percent_up(share))
    assert 100 * share - 1e-9 <= shown < 100
    assert shown - 100 * share < 1.0


def test_a_delta_that_one_patient_could_use_up_is_named():
    def notices(n_rows):
        blocks = promise(statement(), None, n_rows)
        return [block.text for block in blocks if isinstance(block, Notice)]

    assert notices(50_000) == []
    assert "smaller delta" in notices(200_000)[0]


def test_what_epsilon_does_not_cover_is_marked_where_it_stands():
    release = full_release()
    marked = {
        section.anchor
        for section in account_of(release, FILES).sections
        if section.blocks and section.blocks[0] == Notice(NOT_COVERED)
    }
    assert marked == {"utility", "risks"}
    without = replace(release, audit=None, utility=None)
    said = "\n".join(Page(page_of(without)).text.split("\n"))
    assert NOT_COVERED not in said
    assert "No attack was tried" in said
    # None of the numbers is left.
    assert f"{release.utility.mean.value:.3f}" not in said


def test_numbers_of_audits_and_scores_are_shown_with_intervals(page):
    release, text = full_release(), Page(page).text
    score = release.audit.parts["membership"].worst[1]
    assert f"{score.auc:.3f} ({score.auc_low:.3f} to {score.auc_high:.3f})" in text
    mean, difference = release.utility.mean, release.utility.difference
    assert f"{mean.low:.3f} to {mean.high:.3f}" in text
    assert f"{difference.low:+.3f} to {difference.high:+.3f}" in text
    for name, scores in release.utility.scores.items():
        assert all(text.count(f"{value:.3f}") for value in scores.values()), name


def test_page_and_card_say_the_same(page):
    document = account_of(full_release(), FILES)
    shown = Page(page).text
    plain = re.sub(r"\\(.)", r"\1", release_card(document))
    said = [
        text
        for section in document.sections
        for block in section.blocks
        for text in _sentences(block)
    ]
    assert len(said) > 50
    for text in said:
        assert text in shown
        assert " ".join(text.split()) in " ".join(plain.split())


def _sentences(block):
    if isinstance(block, Paragraph | Notice):
        return [visible(part) for part in block.text.split("\n\n")]
    return [visible(item) for item in block.items] if isinstance(block, Bullets) else []


def test_no_abbreviation_is_without_a_gloss(page):
    # Digests, names of files and the data's own words aside.
    text = Page(page).text.replace(visible(HOSTILE), "")
    text = re.sub(r"\b[0-9a-f]{64}\b|\b[\w.]+\.(?:md|sha256|json|csv)\b", "", text)
    used = set(re.findall(r"\b[A-Z][A-Za-z]*[A-Z]\w*\b", text)) - {"ClusterCondenser"}
    explained = " ".join(f"{term} {' '.join(forms)}" for term, (forms, _) in GLOSSES.items())
    assert {word for word in used if word.lower() not in explained.lower()} == set()
    terms = Page(page).text
    for word in ("Epsilon", "Delta", "Prototype", "Weight", "Calibration", "AUROC", "Member"):
        assert re.search(rf"{word}\b", terms[terms.index("Words used here", 2000) :]), word


@pytest.mark.parametrize(
    ("change", "tone", "answer"),
    [
        ({}, "good", "Nothing that was checked"),
        ({"objections": ("It is bad.",), "reason": "<b>Because.</b>"}, "bad", "No:"),
        ({"condensed": "no promise"}, "caution", "there is no privacy promise"),
    ],
)
def test_the_verdict_comes_first_and_says_no_more_than_it_should(change, tone, answer):
    release = replace(full_release(), audit=None)
    if "condensed" in change:
        change = {"condensed": replace(release.condensed, privacy=None)}
    document = account_of(replace(release, **change), FILES)
    assert document.verdict.tone == tone
    assert answer in document.verdict.answer
    page, card = release_report(document), release_card(document)
    assert f'class="verdict {tone}"' in page
    if tone == "bad":
        for text in (Page(page).text, card.replace("\\", "")):
            assert "It is bad." in text
            assert "<b>Because.</b>" in text
    if tone == "caution":
        assert "There is no privacy statement" in card
        assert "differentially private. That is a promise" not in card


def test_evidence_of_a_leak_changes_the_verdict():
    release = full_release()
    X, y = table()
    own = replace(release.condensed, X=X[:60], y=y[:60], sample_weight=np.ones(60),
                  prototype=np.arange(60))  # fmt: skip
    leak = closeness_audit(own, X[:120], X[120:], random_state=0)
    found = Audit({"closeness": leak}, {}, "", own.digest)
    verdict = account_of(replace(release, audit=found), FILES).verdict
    assert verdict.tone == "caution"
    assert any("in: closeness" in said for _, said in verdict.facts)


def test_seeded_noise_promises_nothing():
    seeded = replace(statement(), seeded_noise=True)
    release = replace(full_release(), condensed=replace(condensed(), privacy=seeded), audit=None)
    text = Page(page_of(release)).text
    assert "Nothing is promised" in text
    assert "What an attacker can do at best" not in text


def test_the_ledger_says_whether_it_counts_the_fit_and_others():
    ledger = PrivacyLedger()
    ledger.charge(spend(run="other"))
    assert "BUT NOT THIS ONE" in _ledger_line(ledger)
    ledger.charge(spend())
    assert "counts 2 fits; together, epsilon = " in _ledger_line(ledger)
    assert f"{ledger.epsilon:.4g}" in _ledger_line(ledger)


def _ledger_line(ledger):
    blocks = promise(statement(), LedgerExtract.of(ledger, statement()), 100.0)
    return next(b for b in blocks if isinstance(b, Bullets)).items[-1]


def test_wide_tables_are_cut_but_keep_outcome_and_weight():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 50)), columns=[f"lab{i}" for i in range(50)])
    y = pd.Series(rng.integers(0, 2, 60), name="ill")
    wide = ClusterCondenser(5, random_state=0, labels="mean").condense(X, y)
    rows = ReleaseFacts("wide", wide, "", "")
    section = next(s for s in account_of(rows, {}).sections if s.anchor == "rows")
    shown = next(block for block in section.blocks if isinstance(block, Table))
    names = [row[0] for row in shown.rows]
    assert names[:3] == ["ill", "sample_weight", "prototype"]
    assert len(names) == 40
    assert "13 more columns" in shown.caption
    assert shown.rows[0][1] == str(wide.y.iloc[0])


def test_images_are_shown_with_their_classes():
    images, digit = load_digits(n_class=3, return_X_y=True)
    found = ClusterCondenser(9, random_state=0, labels="hard").condense(
        images.reshape(-1, 8, 8), digit
    )
    page = page_of(ReleaseFacts("images", found, "Digits.", "Nobody."), {})
    pictures = Page(page).all("img")
    assert "9 of the made-up images, by class in 3 rows" in pictures[0]["alt"]
    root = ElementTree.fromstring(b64decode(pictures[0]["src"].split(",")[1]))
    assert [e for e in root.iter() if e.tag.endswith("}image")]


def test_survival_is_shown_as_a_curve():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(60, 10, 90), "stage": rng.integers(1, 4, 90).astype(float)})
    y = np.empty(90, dtype=[("dead", bool), ("days", float)])
    y["dead"], y["days"] = rng.random(90) < 0.6, rng.exponential(500, 90).round() + 1
    found = ClusterCondenser(6, random_state=0, labels="mean").condense(X, y)
    pictures = Page(page_of(ReleaseFacts("survival", found, "", ""), {})).all("img")
    alts = [attrs["alt"] for attrs in pictures]
    assert any(alt.startswith("Survival curve") for alt in alts)


@pytest.mark.parametrize(("task", "metric"), [("regression", "R2"), ("classification", "AUROC")])
def test_numbers_and_many_classes_have_scores_and_words_of_their_own(task, metric):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(60, 10, 150), "sex": rng.choice(["f", "m"], 150)})
    outcome = pd.Series(X["age"] + rng.normal(0, 5, 150), name="pressure")
    y = outcome if task == "regression" else pd.cut(outcome, 3, labels=["low", "mid", "high"])
    y = y.astype(str if task == "classification" else float)
    found = ClusterCondenser(9, random_state=0, labels="mean").condense(X[:75], y[:75])
    model = DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier
    columns = make_column_transformer(("passthrough", ["age"]))
    tree = make_pipeline(columns, model(max_depth=3, random_state=0))
    utility = compare_utility(
        found, (X[75:], y[75:]), train=(X[:75], y[:75]), by=("sex",), estimators={"tree": tree},
        n_bootstrap=20, random_state=0,
    )  # fmt: skip
    text = Page(page_of(ReleaseFacts(task, found, "", "", utility=utility), {})).text
    score = utility.means[utility.of_set]
    assert f"models reach {metric} {score:.3f}" in text
    assert metric in GLOSSES or f"The score is {metric}: greater is better" in text
    assert "sex f" in text


def test_dollars_and_gaps_of_any_kind_are_shown():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "income": rng.choice(["$10_000_to_$20_000", "less"], 60),
            "note": pd.array(rng.choice(["a", "b"], 60), dtype="string"),
            "count": pd.array(rng.integers(0, 9, 60), dtype="Int64"),
        }
    )
    X.loc[::2, ["note", "count"]] = pd.NA
    found = RandomCondenser(20, random_state=0).condense(X, np.arange(60) % 2)
    assert "$10_000_to_$20_000" in Page(page_of(ReleaseFacts("dollars", found, "", ""), {})).text


def test_a_large_delta_or_an_unknown_method_is_no_good_verdict():
    found = replace(condensed(), privacy=statement(delta=0.05), real_row_matches=None)

    def text(of):
        return Page(page_of(ReleaseFacts("a", of, "", ""), {})).text

    assert "delta is so large" in text(found)
    own = replace(condensed(), method="MyCondenser(3)")
    assert (
        "no description of the method" in Page(page_of(ReleaseFacts("own", own, "", ""), {})).text
    )
    huge = replace(condensed(), privacy=statement(36.0), real_row_matches=None)
    assert "more than a thousand million" in text(huge)


def test_a_page_of_nothing_but_a_title_is_whole():
    empty = Document("T", Verdict("good", "Yes.", ()), [Section("a", "A", [])])
    assert "T" in Page(release_report(empty)).text
    assert release_card(empty).startswith("# T\n")
    json.dumps(release_card(empty))
