"""A digest is that of the values, whatever holds them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from skcondense import ClusterCondenser, CondensedSet, RandomCondenser

polars = pytest.importorskip("polars")
pytest.importorskip("pyarrow")
N = 60
RNG = np.random.default_rng(0)
COLUMNS = {
    "age": RNG.integers(20, 90, N),
    "lab": np.where(RNG.random(N) < 0.2, np.nan, RNG.normal(size=N)),
    "dose": RNG.random(N).astype(np.float32),
    "site": RNG.choice(["a", "ü", "NA"], N),
    "smokes": RNG.random(N) < 0.5,
}
EVENT_AND_TIME = {"event": RNG.random(N) < 0.5, "time": RNG.integers(1, 99, N)}
FRAME = pd.DataFrame(COLUMNS)
TABLES = {
    "pandas": (FRAME, pd.Series(RNG.integers(0, 2, N))),
    "categories": (
        FRAME.assign(site=FRAME["site"].astype("category")),
        RNG.choice(["no", "yes"], N),
    ),
    "gaps": (
        FRAME.assign(age=FRAME["age"].astype("Int64").mask(RNG.random(N) < 0.2)),
        COLUMNS["lab"] > 0,
    ),
    "polars": (polars.DataFrame(COLUMNS), polars.Series("ill", RNG.integers(0, 2, N))),
    "numbers": (RNG.random((N, 3)), RNG.random(N)),
    "survival": (FRAME, pd.DataFrame(EVENT_AND_TIME)),
    "codes": (
        pd.DataFrame(
            {"icd": RNG.choice(["010", "250.00"], N), "note": RNG.choice(["", "x\ry"], N)}
        ),
        pd.Series(RNG.choice(["1", "02"], N)),
    ),
    "objects": (
        pd.DataFrame(
            {"n": pd.Series(RNG.integers(0, 9, N)).astype(object).mask(RNG.random(N) < 0.2)}
        ),
        np.array(RNG.choice(["01", "2"], N), dtype=object),
    ),
    "images": (RNG.integers(0, 255, (N, 4, 4)).astype(np.uint8), RNG.integers(0, 2, N)),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_saving_and_loading_keep_it(name, format, tmp_path):
    X, y = TABLES[name]
    found = RandomCondenser(8, random_state=0).condense(X, y)
    digest = found.digest
    assert CondensedSet.load(found.save(tmp_path / "set", format=format)).digest == digest


def test_empty_texts_beside_gaps_are_refused_in_csv(tmp_path):
    X = pd.DataFrame({"note": pd.Series(["", "a", None] * 20)})
    found = RandomCondenser(12, random_state=0).condense(X, COLUMNS["smokes"])
    with pytest.raises(ValueError, match="CSV cannot tell apart"):
        found.save(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []
    loaded = CondensedSet.load(found.save(tmp_path / "set", format="parquet"))
    assert loaded.digest == found.digest


def test_another_library_has_the_same():
    X, y = TABLES["polars"]
    sets = [RandomCondenser(8, random_state=0).condense(part, y) for part in (X, X.to_pandas())]
    assert len({found.digest for found in sets}) == 1


def test_any_change_gives_another():
    X, y = TABLES["pandas"]
    found = ClusterCondenser(8, random_state=0, labels="mean").condense(X, y)
    weight = found.sample_weight.copy()
    weight[0] = np.nextafter(weight[0], 0)
    swapped = found.X.assign(site=found.X["site"].to_numpy()[::-1])
    changed = [
        found,
        replace(found, sample_weight=weight),
        replace(found, X=swapped),
        replace(found, X=found.X.rename(columns={"age": "years"})),
        replace(found, y=1 - found.y),
        replace(found, prototype=found.prototype[::-1]),
    ]
    assert len({one.digest for one in changed}) == len(changed)
