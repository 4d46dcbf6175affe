"""Images as tables with one column: what goes in comes out, in shape, range and dtype."""

import numpy as np
import pytest

from skcondense import (
    ClusterCondenser,
    ColumnSchema,
    CondensedSet,
    HerdingCondenser,
    RandomCondenser,
    TableEncoder,
    TableSchema,
)
from skcondense.exceptions import SchemaError
from skcondense.table import Container, infer_schema


def images(shape, dtype, n=60):
    rng = np.random.default_rng(0)
    X = rng.random((n, *shape))
    X = (X * 255).astype(dtype) if np.dtype(dtype).kind == "u" else X.astype(dtype)
    return X, np.where(rng.random(n) > 0.5, "ill", "well")


FORMS = [((12, 12), "uint8"), ((12, 9, 3), "uint8"), ((9, 7, 1), "float32")]


@pytest.mark.parametrize(("shape", "dtype"), FORMS)
def test_codes_and_back(shape, dtype):
    X, _ = images(shape, dtype)
    container = Container.of(X)
    encoder = TableEncoder(infer_schema(container, container.read(X)))
    codes = encoder.encode(container.read(X))
    assert codes.shape == (len(X), np.prod(shape))
    assert np.abs(codes).max() <= 1
    again = container.build(encoder.decode(codes))
    assert again.dtype == X.dtype
    np.testing.assert_allclose(again, X, atol=1e-6)
    beyond = container.build(encoder.decode(codes * 5))
    high = encoder.schema.columns[0].bounds[1]
    assert beyond.min() >= 0
    assert beyond.max() <= high


@pytest.mark.parametrize(("shape", "dtype"), FORMS)
@pytest.mark.parametrize("condenser", [RandomCondenser(6), ClusterCondenser(6)])
def test_condensers(condenser, shape, dtype, tmp_path):
    X, y = images(shape, dtype)
    found = condenser.set_params(random_state=0).condense(X, y)
    assert found.X.shape[1:] == shape
    assert found.X.dtype == X.dtype
    assert found.contains_real_rows == isinstance(condenser, RandomCondenser)
    assert f"images of shape {shape}" in repr(found)
    assert list(found.to_frame().columns) == ["target", "sample_weight", "prototype"]
    found.save(tmp_path)
    again = CondensedSet.load(tmp_path)
    np.testing.assert_array_equal(again.X, found.X)
    assert again.X.dtype == found.X.dtype
    assert again.schema == found.schema
    with pytest.raises(FileExistsError, match=r"condensed\.npz"):
        found.save(tmp_path)


def test_transform_clips_pixels():
    X, y = images((8, 8), "float64")
    condenser = RandomCondenser(4).fit(X, y)
    moved = condenser.transform(X * 3 - 1)
    assert moved.shape == X.shape
    assert moved.min() == 0
    assert moved.max() == 1


def test_methods_without_images_refuse_them():
    X, y = images((8, 8), "uint8")
    with pytest.raises(ValueError, match="dim 3"):
        HerdingCondenser(4).fit(X, y)


def test_schema_says_what_is_wrong():
    X, y = images((8, 8), "uint8")
    image = ColumnSchema(name="scan", kind="image", bounds=(0, 255), shape=(8, 9))
    schema = TableSchema((image,))
    assert TableSchema.from_json(schema.to_json()) == schema
    with pytest.raises(SchemaError, match=r"shape \(8, 9\)"):
        RandomCondenser(4, schema=schema).fit(X, y)
    with pytest.raises(SchemaError, match="needs shape"):
        ColumnSchema(name="scan", kind="image", bounds=(0, 255))
    with pytest.raises(SchemaError, match="only images have a shape"):
        ColumnSchema(name="age", kind="numeric", bounds=(0, 1), shape=(2, 2))
    with pytest.raises(ValueError, match="NaN or infinity"):
        RandomCondenser(4).fit(np.full((9, 4, 4), np.nan), np.arange(9) % 2)
    with pytest.raises(TypeError, match="Pixels must be numbers"):
        RandomCondenser(4).fit(np.full((9, 4, 4), "a"), np.arange(9) % 2)
