"""Pictures of condensed images: every prototype once, in the row of its class."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from skcondense import ClusterCondenser, ColumnSchema, RandomCondenser, TableSchema
from skcondense.exceptions import SchemaError
from skcondense.report import ImageGridDisplay


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    pyplot.close("all")


def images(*shape, n=60, dtype="uint8"):
    rng = np.random.default_rng(0)
    y = np.resize(["ill", "well", "well"], n)
    X = rng.integers(0, 100, (n, *shape)) + 150 * (y == "ill").reshape(-1, *[1] * len(shape))
    return X.astype(dtype), y


def titles(display):
    return [text.get_text() for text in display.ax_.get_yticklabels()]


def pixels(display):
    return [np.asarray(picture.get_array()) for picture in display.images_]


@pytest.mark.parametrize("shape", [(8, 8), (8, 6, 1), (5, 9, 3)])
def test_rows_are_classes(shape):
    condensed = RandomCondenser(9, allocation={"ill": 3, "well": 6}, random_state=0).condense(
        *images(*shape)
    )
    display = ImageGridDisplay.from_condensed(condensed, max_per_class=4)
    assert titles(display) == ["ill", "well\n4 of 6"]
    assert len(display.images_) == len(display.ax_.images) == 7
    y = np.asarray(condensed.y)
    order = [*np.flatnonzero(y == "ill"), *np.flatnonzero(y == "well")[:4]]
    grey = shape[:2] if shape[2:] != (3,) else shape
    for found, row in zip(pixels(display), order, strict=True):
        assert found.shape == grey
        np.testing.assert_allclose(found, condensed.X[row].reshape(grey) / 255)


def test_pictures_do_not_overlap_and_keep_their_shape():
    display = ImageGridDisplay.from_images(*images(5, 9), max_per_class=3)
    boxes = np.array([picture.get_extent() for picture in display.images_])
    left, right, bottom, top = boxes.T
    np.testing.assert_array_equal(top, [0, 0, 0, 1, 1, 1])
    assert (right[:2] < left[1:3]).all()
    assert (bottom < top + 1).all()
    np.testing.assert_allclose((right - left) / (bottom - top), 9 / 5, rtol=0.05)
    assert display.ax_.get_xlim()[1] >= right.max()
    assert display.ax_.get_ylim()[0] >= bottom.max()
    assert display.ax_.get_aspect() == 1


def test_soft_labels_show_a_prototype_once():
    X, y = images(8, 8)
    condensed = ClusterCondenser(6, labels="teacher", random_state=0).condense(X, y)
    assert len(condensed) > condensed.n_prototypes
    display = ImageGridDisplay.from_condensed(condensed)
    assert len(display.images_) == condensed.n_prototypes
    # Ill images are bright, and a prototype lies where most of its weight does.
    brightness = [found.mean() > 0.5 for found in pixels(display)]
    n_ill = len(display.rows["ill"])
    assert brightness == [True] * n_ill + [False] * (6 - n_ill)
    assert 0 < n_ill < 6


def test_outcomes_that_are_no_classes_lie_in_one_row():
    X, _ = images(8, 8)
    y = X.mean(axis=(1, 2))
    condensed = ClusterCondenser(6, task="regression", random_state=0).condense(X, y)
    display = ImageGridDisplay.from_condensed(condensed, max_per_class=5)
    assert titles(display) == ["prototypes\n5 of 6"]


def test_mosaics_are_shown_as_networks_see_them():
    pytest.importorskip("torch")
    from skcondense import neural

    condenser = neural.ImprovedDistributionMatchingCondenser(
        2, factor=2, network=neural.MLP(8), max_iter=1, device="cpu", random_state=0
    )
    condensed = condenser.condense(*images(8, 8))
    display = ImageGridDisplay.from_condensed(condensed)
    assert len(display.images_) == condenser.n_effective_ == 8
    assert {found.shape for found in pixels(display)} == {(8, 8)}


def test_labels_of_any_form():
    X, y = images(8, 8)
    series = pd.Series(y == "ill", index=range(60, 0, -1))
    for labels, names in [
        (y.tolist(), ["ill", "well"]),
        (series, ["False", "True"]),
        (series.to_frame(), ["False", "True"]),
        (np.resize([2, 10], 60), ["2", "10"]),
    ]:
        assert titles(ImageGridDisplay.from_images(X, labels, max_per_class=99)) == names
    condensed = RandomCondenser(6, random_state=0).condense(X, series)
    assert titles(ImageGridDisplay.from_condensed(condensed)) == ["False", "True"]


def test_real_images_beside_condensed_ones_on_given_axes():
    X, y = images(8, 8, dtype="float64")
    condensed = RandomCondenser(
        4,
        schema=TableSchema((ColumnSchema(name="a", kind="image", bounds=(0, 500), shape=(8, 8)),)),
    ).condense(X, y)
    figure, (left, right) = pyplot.subplots(1, 2)
    real = ImageGridDisplay.from_images(X, y, schema=condensed.schema, ax=left)
    display = ImageGridDisplay.from_condensed(condensed, ax=right)
    assert (real.ax_, display.ax_) == (left, right)
    assert real.figure_ is display.figure_ is figure
    assert len(left.images) == 20
    np.testing.assert_allclose(pixels(real)[0], X[y == "ill"][0] / 500)
    assert {picture.get_clim() for picture in real.images_ + display.images_} == {(0, 1)}
    again = display.plot()
    assert again.ax_ is not right
    assert len(again.images_) == 4


def test_says_what_is_wrong():
    X, y = images(8, 8)
    table = RandomCondenser(4).condense(X[:, 0], y)
    with pytest.raises(TypeError, match=r"Got ndarray of shape \(4, 8\).*to_frame"):
        ImageGridDisplay.from_condensed(table)
    with pytest.raises(ValueError, match=r"one channel .* or three .* Got 4"):
        ImageGridDisplay.from_images(*images(8, 8, 4))
    with pytest.raises(ValueError, match="max_per_class must be 1 or more"):
        ImageGridDisplay.from_images(X, y, max_per_class=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ImageGridDisplay.from_images(X, y[1:])
    with pytest.raises(ValueError, match="Got 0 images"):
        ImageGridDisplay.from_images(X[:0], y[:0])
    schema = RandomCondenser(4).condense(X, y).schema
    with pytest.raises(SchemaError, match=r"of shape \(8, 8\)\. Got cells of shape \(7, 8\)"):
        ImageGridDisplay.from_images(X[:, 1:], y, schema=schema)
