"""What the peers of the benchmarks are given: it must not handicap them."""

import numpy as np
import pandas as pd
import pytest

from skcondense.table import Container, infer_schema
from tests.benchmarks.peers.codes import PublicCodes
from tests.benchmarks.peers.scores import score


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    age = rng.normal(60, 12, 300).round(1)
    age[::7] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "beds": rng.integers(0, 4, 300),
            "ward": rng.choice(["north", "süd", "east"], 300),
            "smoker": rng.integers(0, 2, 300),
        }
    )


def codes_of(frame):
    container = Container.of(frame)
    return PublicCodes(infer_schema(container, container.read(frame)))


def test_bins_keep_a_table_up_to_their_width(frame):
    codes = codes_of(frame)
    bins = codes.bins(frame)
    sizes = codes.bin_sizes
    assert all(bins[name].between(0, sizes[name] - 1).all() for name in frame)
    back = codes.from_bins(bins, frame, seed=0)
    assert (back.dtypes == frame.dtypes).all()
    assert back[["beds", "ward", "smoker"]].equals(frame[["beds", "ward", "smoker"]])
    assert back["age"].isna().equals(frame["age"].isna())
    # Bins are equally wide where the typical range is; only the few values outside differ more.
    gap = (back["age"] - frame["age"]).abs()
    assert gap.quantile(0.95) < np.ptp(frame["age"].dropna()) / 8


def test_mixed_form_keeps_numbers_and_gaps(frame):
    codes = codes_of(frame)
    mixed = codes.mixed(frame)
    assert mixed["age is missing"].astype(bool).equals(frame["age"].isna())
    assert set(codes.nominal_sizes) == {"ward", "smoker", "age is missing"}
    back = codes.from_mixed(mixed, frame)
    assert np.allclose(back["age"], frame["age"], atol=0.2, equal_nan=True)
    assert back.drop(columns="age").equals(frame.drop(columns="age"))


def test_encoded_rows_are_no_longer_than_their_norm(frame):
    codes = codes_of(frame)
    assert np.linalg.norm(codes.encode(frame), axis=1).max() <= codes.norm


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_calibration_slope(factor):
    rng = np.random.default_rng(0)
    logit = rng.normal(size=20_000)
    y = rng.random(20_000) < 1 / (1 + np.exp(-logit))
    found = score(y, 1 / (1 + np.exp(-factor * logit)))
    assert found["calibration_slope"] == pytest.approx(1 / factor, rel=0.06)
    assert found["brier"] < y.var()
