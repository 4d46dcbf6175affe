"""Private distribution matching: what is asked, what comes out, what is refused."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits

from skcondense import ColumnSchema, PrivacyLedger, TableEncoder, TableSchema
from skcondense.neural import MLP, ConvNet, DistributionMatchingCondenser
from skcondense.neural.compute import Compute
from skcondense.neural.inputs import InputSpace, Normaliser
from skcondense.neural.private_features import OutcomeCounts, ask_features, ask_means
from skcondense.neural.settings import NetworkSettings, resolve_augmentation
from skcondense.privacy import PrivateOracle
from skcondense.private_table import PrivateTable
from skcondense.table import Container
from skcondense.tasks import ClassificationTask


def pixel_schema(shape):
    image = ColumnSchema(name="image", kind="image", bounds=(0, 16), shape=shape)
    outcome = ColumnSchema(name="digit", kind="binary", categories=(0, 1))
    return TableSchema((image,), outcome=outcome)


PRIVATE = DistributionMatchingCondenser(
    6, epsilon=2.0, n_networks=2, network=ConvNet(4), max_iter=3, random_state=0, device="cpu"
)


def two_digits():
    X, y = load_digits(n_class=2, return_X_y=True)
    return X.reshape(-1, 8, 8), y


def test_private_images_replay_from_answers():
    X, y = two_digits()
    condenser = clone(PRIVATE).set_params(schema=pixel_schema((8, 8)))
    found = condenser.condense(X, y)
    assert found.privacy.epsilon == pytest.approx(2.0, rel=1e-3)
    assert [s.query for s in condenser.privacy_.spends] == ["outcomes", "means", "features"]
    again = condenser.replay()
    np.testing.assert_array_equal(again.X, found.X)
    np.testing.assert_array_equal(again.sample_weight, found.sample_weight)
    assert 250 < found.sample_weight.sum() < 470


def test_private_tables():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 2)), rng.integers(2, size=400)
    columns = tuple(ColumnSchema(name=f"x{j}", kind="numeric", bounds=(-5, 5)) for j in range(2))
    outcome = ColumnSchema(name="y", kind="binary", categories=(0, 1))
    condenser = clone(PRIVATE).set_params(
        network=MLP(8), schema=TableSchema(columns, outcome=outcome), allocation="proportional"
    )
    found = condenser.condense(X + y[:, None], y)
    np.testing.assert_array_equal(condenser.replay().X, found.X)


def test_released_features_are_those_of_the_rows_up_to_noise():
    X, y = two_digits()
    task = ClassificationTask.of(y)
    container = Container.of(X)
    encoder = TableEncoder(pixel_schema((8, 8)))
    table = PrivateTable(X, y, np.ones(len(y)), None, task, container, encoder)
    space = InputSpace(encoder, Normaliser.declared(1), Compute("cpu"))
    settings = NetworkSettings(
        ConvNet(4), resolve_augmentation("none", is_image=True), space, 2, Compute("cpu")
    )
    networks = [settings.network(torch.Generator().manual_seed(k)) for k in range(2)]
    facts = table.take(np.arange(0))
    ledger = PrivacyLedger(delta=1e-5, neighbors="add_remove")
    oracle = PrivateOracle(table, mu=1e5, ledger=ledger, by="test")
    counts = OutcomeCounts.ask(facts, oracle, 0.1)
    np.testing.assert_allclose(counts.sizes, np.bincount(y), atol=0.1)
    means = ask_means(counts, oracle, 0.4)
    exact = np.stack([table.Z[y == k].mean(axis=0) for k in (0, 1)])
    np.testing.assert_allclose(means, exact, atol=1e-3)
    released = ask_features(counts, oracle, 0.5, networks, settings)
    # Each row's vector has length one, so no mean is longer.
    assert (np.linalg.norm(released, axis=1) <= 1 + 1e-3).all()
    rows = [torch.from_numpy(table.Z[y == k]) for k in (0, 1)]
    parts = []
    for network in networks:
        with torch.no_grad():
            features = [network.features(space.inputs(r.numpy())) for r in rows]
        units = [torch.nn.functional.normalize(f, dim=1).mean(0) for f in features]
        parts.append(torch.stack(units) / 2**0.5)
    np.testing.assert_allclose(released, torch.cat(parts, dim=1).numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"init": "real"}, "looks at real rows"),
        ({"init": "kmeans"}, "looks at real rows"),
        ({"checkpoint": "state.npz"}, "recorded answers"),
        ({"max_time": 5.0}, "recorded answers"),
        ({"labels": "teacher"}, "teacher must not see"),
        ({"early_stopping": True}, "no rows are held out"),
    ],
)
def test_private_fits_refuse_before_anything_is_spent(params, message):
    X, y = two_digits()
    ledger = PrivacyLedger(delta=1e-5)
    condenser = clone(PRIVATE).set_params(schema=pixel_schema((8, 8)), ledger=ledger, **params)
    with pytest.raises(ValueError, match=message):
        condenser.fit(X, y)
    assert not ledger.spends


def test_no_patient_moves_a_query_by_more_than_it_says(monkeypatch):
    X, y = two_digits()
    asked = []
    ask = PrivateOracle.ask

    def listen(self, query):
        asked.append((query, self._patients._rows))
        return ask(self, query)

    monkeypatch.setattr(PrivateOracle, "ask", listen)
    clone(PRIVATE).set_params(schema=pixel_schema((8, 8))).fit(X, y)
    assert len(asked) == 3
    for query, rows in asked:
        among = query.within_reach(query.function(rows))
        assert np.linalg.norm(among, axis=1).max() <= query.bound * (1 + 1e-9)
        # Rows do not look at each other: alone, a row contributes what it does among others.
        for i in range(0, len(y), 37):
            alone = query.within_reach(query.function(rows.take(np.array([i]))))
            np.testing.assert_array_equal(alone[0], among[i])


@pytest.mark.parametrize("changes", [{"n_prototypes": 1}, {"allocation": {0: 1, 7: 5}}])
def test_impossible_requests_cost_nothing(changes):
    X, y = two_digits()
    ledger = PrivacyLedger(delta=1e-5)
    condenser = clone(PRIVATE).set_params(schema=pixel_schema((8, 8)), ledger=ledger, **changes)
    with pytest.raises(ValueError, match=r"n_prototypes|allocation"):
        condenser.fit(X, y)
    assert not ledger.spends


@pytest.mark.parametrize("per_patient", [1, 2, 10])
def test_mean_rows_are_right_whatever_the_number_of_rows_of_a_patient(per_patient):
    rng = np.random.default_rng(0)
    y = np.arange(600) % 2
    images = np.clip(10 + 2 * y[:, None, None] + rng.normal(size=(600, 6, 6)), 0, 16)
    schema = pixel_schema((6, 6))
    condenser = DistributionMatchingCondenser(
        4, network=ConvNet(4), max_iter=0, schema=schema, epsilon=50.0
    )
    found = condenser.condense(images, y, groups=np.arange(600) // (2 * per_patient))
    assert found.X[found.y == 1].mean() == pytest.approx(12, abs=0.8)


@pytest.mark.parametrize("params", [{"factor": 9}, {"init": np.zeros((3, 6, 6))}])
def test_what_cannot_be_done_costs_nothing(params):
    schema = pixel_schema((6, 6))
    ledger = PrivacyLedger()
    condenser = DistributionMatchingCondenser(
        4, network=ConvNet(4), schema=schema, epsilon=5.0, ledger=ledger, **params
    )
    with pytest.raises(ValueError, match=r"leaves no pixel|The start must have 4 rows"):
        condenser.fit(np.full((40, 6, 6), 8.0), np.arange(40) % 2)
    assert not ledger.spends
