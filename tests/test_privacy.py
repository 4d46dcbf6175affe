"""The door: noise, accountant, ledger, statement and oracle."""

import json
import math
import os
import pickle
import re
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from dp_accounting import dp_event
from dp_accounting.pld import PLDAccountant
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri
from scipy.stats import beta, kstest, norm
from sklearn.base import clone

from skcondense.exceptions import BudgetExceededError, LedgerError
from skcondense.privacy import (
    Answer,
    BudgetPlan,
    PrivacyLedger,
    PrivacyStatement,
    PrivateOracle,
    RehearsalOracle,
    SelectQuery,
    Spend,
    SumQuery,
    attack_caps,
    compose,
    delta_of,
    epsilon_of,
    feasibility,
    mu_of,
    noise,
    oracle,
    seeded_noise,
)
from skcondense.privacy.accountant import range_of
from skcondense.privacy.queries import GRID


class Rows:
    """Rows without any table: vectors, weights, patients."""

    def __init__(self, vectors, weight=None, groups=None):
        self.vectors = np.asarray(vectors, dtype=float)
        self.weight = np.ones(len(self.vectors)) if weight is None else np.asarray(weight)
        self.groups = groups

    def __len__(self):
        return len(self.vectors)

    def take(self, rows):
        groups = None if self.groups is None else self.groups[rows]
        return Rows(self.vectors[rows], self.weight[rows], groups)


def vectors(rows):
    return rows.vectors


def door(rows, mu=1.0, ledger=None):
    return PrivateOracle(rows, mu=mu, ledger=ledger or PrivacyLedger(), by="test")


def spend(mu, run="r"):
    return Spend(run, "Test", "a question", "gaussian", mu, 1.0, 1 / mu, 3, "patient", "now")


# Accountant


@pytest.mark.parametrize(
    ("delta", "epsilon", "mu"),
    [(1e-5, 0.1, 0.0325), (1e-5, 1, 0.2681), (1e-5, 4, 0.9249), (1e-6, 8, 1.532)],
)
def test_published_values(delta, epsilon, mu):
    assert mu_of(epsilon, delta) == pytest.approx(mu, rel=1e-3)


@given(st.floats(1e-3, 50), st.floats(1e-9, 0.1))
def test_calibration_uses_the_budget_and_never_exceeds_it(epsilon, delta):
    spent = epsilon_of(mu_of(epsilon, delta), delta)
    assert spent <= epsilon
    assert spent >= epsilon * 0.999 or epsilon < 1e-2


@given(st.floats(0.02, 5), st.floats(0, 10))
def test_delta_is_the_closed_form(mu, epsilon):
    exact = norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)
    assert delta_of(mu, epsilon) == pytest.approx(max(exact, 0), rel=1e-6, abs=1e-14)


@pytest.mark.statistics
def test_closed_form_agrees_with_dp_accountings_pld_on_50_ledgers():
    rng = np.random.default_rng(0)
    for _ in range(50):
        # A few kinds of spends, each some times: dp_accounting works on each kind.
        mus = rng.uniform(0.02, 0.5, rng.integers(1, 7))
        times = rng.integers(1, 6, len(mus))
        accountant = PLDAccountant(value_discretization_interval=1e-3)
        for mu, count in zip(mus, times.tolist(), strict=True):
            accountant.compose(dp_event.GaussianDpEvent(1 / mu), count)
        delta = 10 ** rng.uniform(-7, -3)
        mu = compose(np.repeat(mus, times))
        assert abs(epsilon_of(mu, delta) - accountant.get_epsilon(delta)) < 1e-3


@pytest.mark.parametrize(("epsilon", "delta"), [(1e9, 1e-5), (1e-15, 1e-15)])
def test_impossible_promises_are_refused(epsilon, delta):
    with pytest.raises(ValueError, match="calibrated"):
        mu_of(epsilon, delta)


def test_nothing_spent_is_epsilon_zero():
    assert epsilon_of(0.0, 1e-5) == 0
    assert compose([]) == 0


@given(st.floats(0.01, 4), st.floats(0.001, 0.999))
def test_selection_of_bounded_range_is_no_worse_than_gaussian(mu, p):
    # Generalised randomised response: the worst mechanism of that range.
    odds = p / (1 - p) * math.exp(range_of(mu))
    q = odds / (1 + odds)
    assert ndtri(q) - ndtri(p) <= mu * (1 + 1e-9) + 1e-12


def test_selection_range_is_tight():
    mu = 0.7
    q = 1 / (1 + math.exp(-range_of(mu) / 2))
    assert ndtri(q) - ndtri(1 - q) == pytest.approx(mu)


def test_caps_are_those_of_the_gaussian_roc_curve():
    caps = attack_caps(0.8)
    x = np.linspace(1e-6, 1 - 1e-6, 200_001)
    roc = norm.cdf(norm.ppf(x) + 0.8)
    assert caps.advantage == pytest.approx((roc - x).max(), abs=1e-6)
    assert caps.auc == pytest.approx(np.trapezoid(roc, x), abs=1e-4)
    assert caps.tpr_at_1_percent_fpr == pytest.approx(np.interp(0.01, x, roc), abs=1e-4)


# Noise


@pytest.mark.parametrize("scale", [0.3, 7.5, 1e6])
def test_noise_has_the_rounded_normal_distribution(scale):
    drawn = noise.NoiseSource().rounded_gaussian(scale, 100_000)
    assert drawn.dtype == np.int64
    # Uniform jitter over a step undoes the rounding as far as the test can see.
    if scale > 100:
        assert kstest(drawn / scale, "norm").pvalue > 1e-6
    values, counts = np.unique(drawn[np.abs(drawn) <= 3], return_counts=True)
    for value, count in zip(values, counts, strict=True):
        p = norm.cdf((value + 0.5) / scale) - norm.cdf((value - 0.5) / scale)
        sd = math.sqrt(100_000 * p * (1 - p))
        assert abs(count - 100_000 * p) < 6 * sd + 3


def test_refined_draws_equal_plain_ones(monkeypatch):
    # With a huge margin every draw takes the slow path.
    plain = noise._SeededSource(1).rounded_gaussian(1e5, 200)
    monkeypatch.setattr(noise, "MARGIN", 1.0)
    slow = noise._SeededSource(1).rounded_gaussian(1e5, 200)
    assert np.array_equal(plain, slow)


def test_the_extreme_slice_is_drawn_too():
    class Zeros(noise.NoiseSource):
        def __init__(self):
            self.calls = 0

        def bytes(self, size):
            self.calls += 1
            return bytes(size) if self.calls < 3 else b"\x80" * size

    assert abs(Zeros().rounded_gaussian(10.0, 1)[0]) > 90


def test_noise_differs_between_draws_and_ignores_numpy_seeds():
    rows, query = Rows(np.zeros((3, 4))), SumQuery("q", 0.1, 4, 1.0, vectors)
    np.random.seed(0)  # noqa: NPY002
    first = door(rows).ask(query).value
    np.random.seed(0)  # noqa: NPY002
    second = door(rows).ask(query).value
    assert not np.array_equal(first, second)


def test_seeded_noise_repeats_and_taints():
    rows, answers = Rows(np.ones((3, 4))), []
    for _ in range(2):
        with seeded_noise(5):
            asked = door(rows)
            answers.append(asked.ask(SumQuery("q", 0.5, 4, 1.0, vectors)).value)
            answers.append(asked.ask(SelectQuery("s", 0.5, 4, 1.0, vectors)).value)
            assert asked.is_seeded
    assert np.array_equal(answers[0], answers[2])
    assert answers[1] == answers[3]
    assert not door(rows).is_seeded


# Oracle


finite = st.floats(-1e12, 1e12)
wild = st.floats(allow_nan=True, allow_infinity=True)


@given(arrays(float, (4, 3), elements=wild), st.floats(1e-6, 1e6), st.booleans())
def test_one_row_never_moves_a_sum_by_more_than_its_sensitivity(X, bound, nonnegative):
    query = SumQuery("q", 0.1, 3, bound, vectors, nonnegative=nonnegative)
    exact = [door(Rows(X[rows]))._exact_sum(query) for rows in ([0, 1, 2], [0, 1], [0, 1, 3])]
    added = np.linalg.norm(exact[0] - exact[1]) * bound / GRID
    replaced = np.linalg.norm(exact[0] - exact[2]) * bound / GRID
    assert added <= query.sensitivity("add_remove")
    assert replaced <= query.sensitivity("replace") * (1 + 1e-12)


@given(arrays(float, (8, 3), elements=finite), st.integers(0, 3))
def test_one_patient_never_moves_a_sum_by_more_than_its_sensitivity(X, gone):
    patient = np.array([0, 1, 2, 3, 0, 1, 2, 0])
    query = SumQuery("q", 0.1, 3, 1.0, vectors)
    kept = patient != gone
    moved = door(Rows(X, groups=patient))._exact_sum(query) - door(
        Rows(X[kept], groups=patient[kept])
    )._exact_sum(query)
    assert np.linalg.norm(moved) <= GRID


@given(arrays(float, (8, 3), elements=wild), st.integers(0, 3))
def test_one_patient_moves_losses_within_the_range(X, gone):
    patient = np.array([0, 1, 2, 3, 0, 1, 2, 0])
    query = SelectQuery("q", 0.1, 3, 2.0, vectors)
    kept = patient != gone
    moved = door(Rows(X, groups=patient))._exact_losses(query) - door(
        Rows(X[kept], groups=patient[kept])
    )._exact_losses(query)
    assert (moved >= 0).all()
    assert (moved <= GRID).all()


def test_sums_and_patients_are_right(monkeypatch):
    X = np.array([[0.1, 0.2], [0.3, -0.4], [0.0, 0.5], [0.2, 0.1]])
    query = SumQuery("q", 0.1, 2, 1.0, vectors)
    weight = np.array([1.0, 0.5, 1.0, 1.0])
    expected = (X * weight[:, None]).sum(axis=0)
    for piece in (4_000_000, 4, 1):
        monkeypatch.setattr(oracle, "PIECE", piece)
        for groups in (None, np.array(["b", "a", "b", "a"])):
            exact = door(Rows(X, weight, groups))._exact_sum(query)
            np.testing.assert_allclose(exact / GRID, expected, atol=1e-5)


def test_the_best_candidate_is_chosen_when_it_is_clear():
    losses = np.tile([0.9, 0.1, 0.8], (2000, 1))
    assert door(Rows(losses), mu=2.0).ask(SelectQuery("s", 1.0, 3, 1.0, vectors)).value == 1


def test_a_sample_keeps_whole_patients():
    patient = np.repeat(np.arange(300), 3)
    asked = door(Rows(np.ones((900, 1)), groups=patient))
    asked.read_sample(0.5)
    exact = asked._exact_sum(SumQuery("q", 0.1, 1, 3.0, vectors)) * 3 / GRID
    assert exact[0] == pytest.approx(round(exact[0] / 3) * 3, abs=1e-2)
    assert 300 < exact[0] < 600


def test_a_fit_cannot_ask_for_more_than_its_budget():
    asked = door(Rows(np.ones((5, 2))))
    asked.ask(SumQuery("q", 0.7, 2, 1.0, vectors))
    with pytest.raises(BudgetExceededError, match=r"share of 0\.4"):
        asked.ask(SumQuery("q", 0.4, 2, 1.0, vectors))
    assert len(asked.spends) == 1


def test_a_rehearsal_raises_where_the_door_is_silent():
    made_up = Rows(np.ones((1, 3)))
    door = RehearsalOracle(made_up)
    np.testing.assert_array_equal(door.ask(SumQuery("a", 0.5, 3, 1.0, vectors)).value, np.ones(3))
    assert door.ask(SelectQuery("b", 0.2, 3, 1.0, vectors)).value == 0
    assert door.share == pytest.approx(0.7)
    with pytest.raises(BudgetExceededError, match=r"share of 0\.4"):
        door.ask(SumQuery("c", 0.4, 3, 1.0, vectors))
    for function in (lambda rows: vectors(rows) * np.nan, lambda rows: vectors(rows)[:, :2]):
        with pytest.raises(ValueError, match="3 finite numbers for every row"):
            door.ask(SumQuery("d", 0.1, 3, 1.0, function))
    with pytest.raises(ZeroDivisionError):
        door.ask(SumQuery("e", 0.1, 3, 1.0, lambda rows: 1 / 0))


def test_shares_add_up_to_the_budget():
    asked = door(Rows(np.ones((5, 2))), mu=mu_of(1.0, 1e-5))
    for _ in range(10):
        asked.ask(SumQuery("q", 0.06, 2, 1.0, vectors))
    for _ in range(4):
        asked.ask(SelectQuery("q", 0.1, 2, 1.0, vectors))
    statement = PrivacyStatement.of(
        asked.spends, delta=1e-5, neighbors="add_remove", unit="row", seeded_noise=False
    )
    assert 0.99 <= statement.epsilon <= 1


# White-box audit: the worst neighbours of each mechanism, and mutants that it must catch


# The noise cannot be seeded, so a bound that fails once in a thousand would fail in CI.
ERROR = 1e-4


def measured_mu(without, having):
    """Bounds on the Gaussian-DP parameter that two samples of a statistic show."""
    # Few runs find a threshold: with normal noise any one near the middle shows as much.
    few = len(without) // 10
    threshold = (np.median(without[:few]) + np.median(having[:few])) / 2
    n = len(without) - few
    false, true = (
        proportion_bounds(int((sample[few:] > threshold).sum()), n) for sample in (without, having)
    )
    return ndtri(true[0]) - ndtri(false[1]), ndtri(true[1]) - ndtri(false[0])


def proportion_bounds(k, n):
    """Clopper and Pearson's, each wrong with probability ERROR."""
    low = beta.ppf(ERROR, k, n - k + 1) if k else 0.0
    return low, beta.isf(ERROR, k + 1, n - k) if k < n else 1.0


N_RUNS = 5600  # for each of two neighbours
K = 4
ALONG = np.ones(K) / 2


class Unwritten(PrivacyLedger):
    """Keeps no books: noise knows nothing of them, and they are a third of a run's time."""

    def charge(self, spend):
        pass


def run_sums(rows, *, neighbors="add_remove", statistic=np.sum):
    ledger = Unwritten(neighbors=neighbors)
    query = SumQuery("q", 1.0, K, 1.0, vectors)
    return np.array([statistic(door(rows, 1.0, ledger).ask(query).value) for _ in range(N_RUNS)])


def audit_sum():
    zeros = np.zeros((3, K))
    # Far beyond the clip norm, so that a missing clip shows.
    return run_sums(Rows(zeros)), run_sums(Rows([*zeros, 10 * ALONG]))


def audit_replace():
    zeros = np.zeros((3, K))
    return tuple(
        run_sums(Rows([*zeros, sign * ALONG]), neighbors="replace") for sign in (-1.0, 1.0)
    )


def audit_reuse():
    """Two questions: a difference of answers, in which reused noise cancels."""
    ledger = Unwritten()

    def run(rows):
        found = []
        for _ in range(N_RUNS):
            asked = door(rows, ledger=ledger)
            first = asked.ask(SumQuery("nothing", 0.5, K, 1.0, lambda r: 0 * r.vectors)).value
            second = asked.ask(SumQuery("q", 0.5, K, 1.0, vectors)).value
            found.append((second - first).sum())
        return np.array(found)

    return run(Rows(np.zeros((3, K)))), run(Rows([*np.zeros((3, K)), ALONG]))


def audit_divisor():
    """Answers that are whole steps of the grid when divided by a guessed number of rows."""

    def off_grid(answer):
        steps = answer * GRID * 4
        return np.abs(steps - np.rint(steps)).max()

    def run(rows):
        return run_sums(rows, statistic=off_grid)

    return run(Rows(np.zeros((4, K)))), run(Rows(np.zeros((5, K))))


def audit_seed():
    """The attacker repeats the fit on a table of zeros and subtracts."""
    zeros = Rows(np.zeros((3, K)))
    expected = run_sums(zeros)
    return run_sums(zeros) - expected, run_sums(Rows([*np.zeros((3, K)), ALONG])) - expected


def audit_selection():
    ledger, query = Unwritten(), SelectQuery("s", 1.0, 2, 1.0, vectors)
    # Alone among others, the patient tips the balance from one candidate to the other.
    tables = [[0.5, 0.0]], [[0.5, 0.0], [0.0, 1.0]]
    without, having = (
        np.array([1 - door(Rows(t), 1.0, ledger).ask(query).value for _ in range(N_RUNS)])
        for t in tables
    )
    return without, having


# What the best statistic of each audit can show of a mu of 1; minus infinity is nothing.
SHOWS = {
    audit_sum: 1.0,
    audit_replace: 1.0,
    audit_reuse: 0.5,
    audit_divisor: -math.inf,
    audit_seed: 2**-0.5,
    audit_selection: 1.0,
}


@pytest.mark.statistics
@pytest.mark.parametrize("audit", SHOWS, ids=lambda a: a.__name__)
def test_audit_finds_what_is_claimed_and_no_more(audit):
    low, high = measured_mu(*audit())
    assert low <= 1.0
    assert SHOWS[audit] - 0.3 <= low
    assert high >= SHOWS[audit]


def no_clip(patch):
    def unclipped(vectors, query):
        return np.trunc(vectors / query.bound * GRID).astype(np.int64)

    patch.setattr(oracle, "_clipped", unclipped)


def reused_noise(patch):
    class Same(noise.NoiseSource):
        words_drawn = noise.NoiseSource().words(K)

        def words(self, size):
            return np.roll(self.words_drawn, 0)[:size]

    sources = iter(lambda: None, 0)

    def fresh():
        Same.words_drawn = noise.NoiseSource().words(K)
        next(sources)

    original = PrivateOracle.__init__

    def start(self, *args, **kwargs):
        original(self, *args, **kwargs)
        fresh()

    patch.setattr(PrivateOracle, "__init__", start)
    patch.setattr(oracle, "noise_source", Same)


def divided_noise(patch):
    original = noise.NoiseSource.rounded_gaussian
    patch.setattr(
        noise.NoiseSource,
        "rounded_gaussian",
        lambda self, scale, size: original(self, scale / math.sqrt(size), size),
    )


def normalised_by_n(patch):
    original = PrivateOracle._noisy_sum
    patch.setattr(
        PrivateOracle,
        "_noisy_sum",
        lambda self, query: Answer(original(self, query).value / len(self._patients._rows), 0.0),
    )


def replace_as_add_remove(patch):
    patch.setattr(SumQuery, "sensitivity", lambda self, neighbors: self.bound)


def seed_reaches_noise(patch):
    count = iter(range(10**9))
    patch.setattr(oracle, "noise_source", lambda: noise._SeededSource(next(count) % N_RUNS))


@pytest.mark.statistics
@pytest.mark.parametrize(
    ("mutant", "audit"),
    [
        (no_clip, audit_sum),
        (reused_noise, audit_reuse),
        (divided_noise, audit_sum),
        (normalised_by_n, audit_divisor),
        (replace_as_add_remove, audit_replace),
        (seed_reaches_noise, audit_seed),
    ],
)
def test_audit_kills_mutants(mutant, audit, monkeypatch):
    # What a mutant breaks shows in fewer runs than what is as it should be.
    monkeypatch.setitem(globals(), "N_RUNS", 1200)
    mutant(monkeypatch)
    low, _ = measured_mu(*audit())
    assert low > 1.0


# Ledger


def test_ledger_adds_up(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = PrivacyLedger(path, epsilon=2.0, delta=1e-6, neighbors="replace")
    for mu in (0.1, 0.2):
        ledger.charge(spend(mu))
    again = PrivacyLedger(path)
    assert again.terms == ledger.terms
    assert again.spends == ledger.spends
    assert again.mu == pytest.approx(math.hypot(0.1, 0.2))
    assert again.epsilon == epsilon_of(again.mu, 1e-6)
    assert "epsilon" in repr(again)


def test_budget_is_kept(tmp_path):
    for ledger in (PrivacyLedger(epsilon=1.0), PrivacyLedger(tmp_path / "l", epsilon=1.0)):
        ledger.charge(spend(mu_of(0.9, 1e-5)))
        before = ledger.spends
        too_much = mu_of(0.9, 1e-5)
        with pytest.raises(BudgetExceededError, match="was not asked"):
            ledger.require(too_much)
        with pytest.raises(BudgetExceededError, match="was not asked"):
            ledger.charge(spend(too_much))
        assert ledger.spends == before
        ledger.charge(spend(0.01))


def test_a_budget_can_be_used_up_exactly():
    ledger = PrivacyLedger(epsilon=1.0)
    for _ in range(7):
        ledger.charge(spend(mu_of(1.0, 1e-5) / math.sqrt(7)))
    assert ledger.epsilon <= 1


@pytest.mark.parametrize(
    "terms",
    [{"epsilon": -1.0}, {"epsilon": math.inf}, {"delta": 0.0}, {"delta": 1.5}, {"neighbors": "x"}],
)
def test_terms_are_checked(terms):
    with pytest.raises(LedgerError, match=next(iter(terms))):
        PrivacyLedger(**terms)


def test_terms_do_not_change(tmp_path):
    PrivacyLedger(tmp_path / "l", epsilon=1.0)
    with pytest.raises(LedgerError, match=r"epsilon=1\.0"):
        PrivacyLedger(tmp_path / "l", epsilon=2.0)


def test_clones_share_and_copies_do_not_fork(tmp_path):
    memory, file = PrivacyLedger(), PrivacyLedger(tmp_path / "l")
    assert clone(memory) is memory
    with pytest.raises(LedgerError, match="Give it a file"):
        pickle.dumps(memory)
    copied = pickle.loads(pickle.dumps(file))
    copied.charge(spend(0.1))
    assert len(file.spends) == 1


def test_two_names_of_a_file_are_one_ledger(tmp_path):
    ledger = PrivacyLedger(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    other = PrivacyLedger(tmp_path / "link")
    ledger.charge(spend(0.1))
    other.charge(spend(0.2))
    assert other.path == ledger.path
    assert len(PrivacyLedger(tmp_path / "real").spends) == 2


def test_a_stored_ledger_comes_back_with_its_terms_or_not_at_all(tmp_path):
    path = tmp_path / "ledger"
    ledger = PrivacyLedger(path, epsilon=1.0)
    ledger.charge(spend(0.1))
    stored = pickle.dumps(ledger)
    assert pickle.loads(stored).terms == ledger.terms
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(LedgerError, match="shorter"):
        pickle.loads(stored)
    path.unlink()
    with pytest.raises(LedgerError, match="not there"):
        pickle.loads(stored)
    assert not path.exists()


FULL_DISK = textwrap.dedent("""
    import resource, signal, sys
    from skcondense.privacy import PrivacyLedger, Spend

    ledger = PrivacyLedger(sys.argv[1])
    size = ledger.path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, size + 50))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        ledger.charge(Spend("r", "T", "q", "gaussian", 0.1, 1.0, 10.0, 1, "row", "now"))
    except OSError:
        print("refused")
""")


@pytest.mark.skipif(os.name != "posix", reason="needs file size limits")
def test_a_full_disk_stops_a_spend(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "l")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "refused"
    assert not PrivacyLedger(tmp_path / "l").spends


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [lines[0], lines[2]], "digest"),
        (lambda lines: [lines[0], lines[1].replace(b"0.1", b"0.0"), lines[2]], "digest"),
        (lambda lines: [b"{}\n", *lines[1:]], "line 1"),
        (lambda lines: [lines[0], b"not json\n"], "line 2"),
        (lambda lines: [b"id,age\n", b"1,44\n"], "line 1"),
    ],
)
def test_damage_is_noticed(tmp_path, damage, message):
    path = tmp_path / "ledger.jsonl"
    ledger = PrivacyLedger(path)
    ledger.charge(spend(0.1))
    ledger.charge(spend(0.2))
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(LedgerError, match=message):
        PrivacyLedger(path)


@pytest.mark.parametrize("text", ["patient 7", "patient\n7", '{"format": "other"'])
def test_a_file_of_something_else_is_left_alone(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text, encoding="utf-8", newline="\n")
    with pytest.raises(LedgerError):
        PrivacyLedger(path)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("length", [0, 5, 60])
def test_a_torn_first_line_is_written_anew(tmp_path, length):
    path = tmp_path / "ledger.jsonl"
    PrivacyLedger(path)
    path.write_bytes(path.read_bytes()[:length])
    PrivacyLedger(path).charge(spend(0.1))
    assert len(PrivacyLedger(path).spends) == 1


def test_a_shortened_file_is_noticed_while_open(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = PrivacyLedger(path)
    ledger.charge(spend(0.1))
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(LedgerError, match="shorter"):
        ledger.charge(spend(0.1))


def test_a_torn_last_line_is_cut_off(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = PrivacyLedger(path)
    ledger.charge(spend(0.1))
    with path.open("ab") as file:
        file.write(b'{"run": "half a li')
    again = PrivacyLedger(path)
    again.charge(spend(0.2))
    assert [s.mu for s in PrivacyLedger(path).spends] == [0.1, 0.2]


KILLED = textwrap.dedent("""
    import os, random, signal, sys, time
    from skcondense.privacy import PrivacyLedger, Spend

    path, n_kills = sys.argv[1], int(sys.argv[2])
    PrivacyLedger(path)
    for n in range(n_kills):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            ledger = PrivacyLedger(path)
            k = 0
            while True:
                name = f"{n}-{k}"
                ledger.charge(Spend("r", "T", name, "gaussian", 0.1, 1.0, 10.0, 1, "row", "now"))
                os.write(write, (name + "\\n").encode())  # the answer is out
                k += 1
        os.close(write)
        time.sleep(random.Random(n).uniform(0.001, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        answered = os.fdopen(read).read().split()
        counted = {s.query for s in PrivacyLedger(path).spends}
        assert set(answered) <= counted, (n, set(answered) - counted)
        assert len(counted) <= n_kills * 1000
    print(len(counted))
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_never_under_reports_and_never_corrupts(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "l"), "200"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Enough to say that processes died in the middle of work, however slow the machine is.
    assert int(done.stdout) > 20


SPENDING = textwrap.dedent("""
    import sys
    from skcondense.exceptions import BudgetExceededError
    from skcondense.privacy import PrivacyLedger, Spend

    for path in sys.argv[1:]:
        ledger, count = PrivacyLedger(path), 0
        try:
            for count in range(100):
                ledger.charge(Spend("r", "T", "q", "gaussian", 0.05, 1.0, 20.0, 1, "row", "now"))
            count += 1
        except BudgetExceededError:
            pass
        print(count)
""")


def test_two_processes_lose_no_spend_and_never_overspend(tmp_path):
    open_ended, limited = PrivacyLedger(tmp_path / "a"), PrivacyLedger(tmp_path / "b", epsilon=2.0)
    command = [sys.executable, "-c", SPENDING, str(open_ended.path), str(limited.path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    counts = [process.communicate(timeout=120)[0].split() for process in running]
    spent = [sum(map(int, count)) for count in zip(*counts, strict=True)]
    room = math.floor((mu_of(2.0, 1e-5) / 0.05) ** 2)
    assert room < 200
    assert spent == [len(open_ended.spends), len(limited.spends)] == [200, room]
    assert limited.epsilon <= 2


# Planning


def test_feasibility_follows_the_noise():
    order = ["not useful", "measure only", "labels", "features"]
    verdicts = [
        feasibility(300, 130, epsilon=1.0),
        feasibility(1_000, 3, epsilon=0.3),
        feasibility(5_000, 20, epsilon=1.0),
        feasibility(1_000_000, 20, epsilon=1.0),
    ]
    assert [v.verdict for v in verdicts] == order
    strict = feasibility(5_000, 20, epsilon=1.0, neighbors="replace")
    assert strict.noise > verdicts[2].noise
    assert strict.directions < verdicts[2].directions
    assert "0.576" in str(verdicts[2])


def test_a_plan_adds_up():
    plan = BudgetPlan(1.0, 1e-5, {"measure": 0.7, "refine": 0.3})
    assert compose(plan.mus.values()) == pytest.approx(mu_of(1.0, 1e-5))
    assert "together" in str(plan)


# Statement


def statement(**changes):
    terms = {"delta": 1e-5, "neighbors": "add_remove", "unit": "patient", "seeded_noise": False}
    return PrivacyStatement.of([spend(0.1), spend(0.2)], **{**terms, **changes})


def test_statement_round_trip():
    stated = statement()
    assert PrivacyStatement.from_json(stated.to_json()) == stated
    assert stated.caps == attack_caps(stated.mu)
    assert "(0.8" in stated.sentences[0]
    assert stated.is_releasable


@pytest.mark.parametrize("mu", [0.1, 0.268, 0.5, 0.925, 3.0, 9.0])
def test_sentences_name_no_smaller_limits_than_hold(mu):
    stated = PrivacyStatement.of(
        [spend(mu)], delta=1e-5, neighbors="add_remove", unit="row", seeded_noise=False
    )
    said = [float(number) for number in re.findall(r"at most ([\d.]+)", stated.sentences[1])]
    holds = stated.caps.advantage * 100, stated.caps.auc, stated.caps.tpr_at_1_percent_fpr * 100
    for shown, limit in zip(said, holds, strict=True):
        assert limit <= shown + 1e-9
        assert shown <= limit + 0.1


def test_statement_that_promises_too_much_is_refused():
    facts = json.loads(statement().to_json())
    facts["epsilon"] /= 2
    with pytest.raises(LedgerError, match="amount to"):
        PrivacyStatement.from_json(json.dumps(facts))
    with pytest.raises(LedgerError, match="not a privacy statement"):
        PrivacyStatement.from_json("{}")
    del facts["epsilon"]
    with pytest.raises(LedgerError, match="not a privacy statement"):
        PrivacyStatement.from_json(json.dumps(facts))


def test_seeded_statement_says_so():
    tainted = statement(seeded_noise=True)
    assert not tainted.is_releasable
    assert "NOT FOR RELEASE" in str(tainted)
    assert "not for release" in tainted.short
    assert "replaced" in replace(statement(), neighbors="replace").sentences[0]


settings.register_profile("quick", deadline=None, max_examples=100)
settings.load_profile("quick")
