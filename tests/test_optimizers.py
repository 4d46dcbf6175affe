"""Optimisers lower a function they can only evaluate, inside a box, reproducibly."""

import numpy as np
import pytest

from skcondense.optimizers import (
    ExchangeSearch,
    NevergradOptimizer,
    RandomSearch,
    TwoPointOptimizer,
)

D = 12
GOAL = np.linspace(-1, 1, D)
START, RADIUS = np.full(D, 2.0), np.full(D, 0.3)
LOWER, UPPER = np.full(D, -3.0), np.full(D, 3.0)


def make(kind, seed=0, max_iter=150):
    common = {"lower": LOWER, "upper": UPPER, "rng": np.random.default_rng(seed)}
    if kind == "two-point":
        return TwoPointOptimizer(
            START,
            RADIUS,
            n_directions=4,
            learning_rate=0.3,
            momentum=0.5,
            max_iter=max_iter,
            **common,
        )
    if kind == "random":
        return RandomSearch(START, RADIUS, n_points=8, **common)
    return NevergradOptimizer(kind, START, RADIUS, n_points=8, max_iter=max_iter, **common)


def minimise(optimizer, max_iter=150, noise=0.0):
    rng = np.random.default_rng(1)
    for _ in range(max_iter):
        points = optimizer.ask()
        assert points.shape == (8, D)
        assert (points >= LOWER).all()
        assert (points <= UPPER).all()
        losses = ((points - GOAL) ** 2).sum(axis=1)
        # Noise that a batch of rows has in common must not matter.
        optimizer.tell(losses + noise * rng.normal())
    return optimizer.solution


KINDS = pytest.mark.parametrize("kind", ["two-point", "random", "CMA", "OnePlusOne", "DE"])


@KINDS
def test_lowers_a_quadratic(kind):
    first = ((START - GOAL) ** 2).sum()
    last = ((minimise(make(kind)) - GOAL) ** 2).sum()
    assert last < 0.3 * first


def test_two_point_descends_through_noise_of_each_point():
    optimizer, rng = make("two-point"), np.random.default_rng(2)
    for _ in range(150):
        points = optimizer.ask()
        optimizer.tell(((points - GOAL) ** 2).sum(axis=1) + rng.normal(size=8))
    first, last = (((x - GOAL) ** 2).sum() for x in (START, optimizer.solution))
    assert last < 0.3 * first


@pytest.mark.parametrize("kind", ["two-point", "random", "CMA"])
def test_optimum_outside_the_box_ends_at_its_wall(kind):
    optimizer = make(kind)
    for _ in range(150):
        optimizer.tell(optimizer.ask().sum(axis=1))
    assert (optimizer.solution >= LOWER).all()
    assert optimizer.solution.sum() < 0.5 * LOWER.sum()


@KINDS
def test_seeds_differ(kind):
    one, two = (make(kind, seed=seed).ask() for seed in (3, 4))
    assert not np.array_equal(one, two)


@KINDS
def test_is_reproducible(kind):
    one, two = (minimise(make(kind, seed=3), 10) for _ in range(2))
    assert np.array_equal(one, two)


def test_two_point_ignores_noise_of_the_batch():
    quiet, noisy = minimise(make("two-point")), minimise(make("two-point"), noise=100.0)
    np.testing.assert_allclose(quiet, noisy, atol=1e-6)


def test_two_point_stays_where_it_is_flat():
    optimizer = make("two-point")
    optimizer.ask()
    optimizer.tell(np.ones(8))
    assert np.array_equal(optimizer.solution, START)


def test_unknown_name():
    with pytest.raises(ValueError, match="Got 'Gradient'"):
        make("Gradient")


def test_exchange_never_gets_worse():
    value = np.random.default_rng(0).normal(size=200)
    start = np.arange(20)
    search = ExchangeSearch(
        start, value[start].sum(), n_pool=200, n_points=6, max_iter=60, rng=np.random.default_rng(1)
    )
    losses = [search.loss]
    for _ in range(60):
        sets = search.ask()
        assert all(len(set(members)) == 20 for members in sets.tolist())
        search.tell(value[sets].sum(axis=1))
        losses.append(search.loss)
    assert (np.diff(losses) <= 0).all()
    assert losses[-1] == pytest.approx(value[search.solution].sum())
    assert losses[-1] < losses[0] - 5


def test_noised_contrasts_move_as_losses_do_and_noise_alone_does_not():
    rng = np.random.default_rng(1)
    start, box = np.ones(30), {"lower": np.full(30, -5.0), "upper": np.full(30, 5.0)}

    def run(noise):
        optimizer = TwoPointOptimizer(
            start, np.full(30, 0.3), n_directions=6, learning_rate=0.2, momentum=0.9,
            max_iter=200, rng=np.random.default_rng(0), **box,
        )  # fmt: skip
        for _ in range(200):
            losses = 100 * (optimizer.ask() ** 2).sum(axis=1)
            answer = optimizer.contrasts(losses[np.newaxis])[0]
            optimizer.tell_contrasts(answer + noise * rng.normal(size=len(answer)), noise)
        return optimizer.solution

    assert (run(0.0) ** 2).sum() < 3
    assert (run(30.0) ** 2).sum() < 10
    # Where all is noise, most steps are not taken.
    assert np.abs(run(1e6) - start).max() < 1.0


def test_by_default_contrasts_are_against_the_first_point():
    rng = np.random.default_rng(1)
    optimizer = RandomSearch(
        np.ones(3), np.ones(3), n_points=4, lower=np.full(3, -9.0), upper=np.full(3, 9.0), rng=rng
    )
    for _ in range(300):
        losses = (optimizer.ask() ** 2).sum(axis=1)
        optimizer.tell_contrasts(optimizer.contrasts(losses[np.newaxis])[0], 0.0)
    assert (optimizer.solution**2).sum() < 3
