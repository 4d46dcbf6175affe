"""Networks as scikit-learn estimators, trained by the recipe of the condensation literature."""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from skcondense._sklearn import StrOptions, at_least, between
from skcondense.neural.augmentation import AUGMENTATIONS, Augmentation
from skcondense.neural.compute import Compute
from skcondense.neural.inputs import InputSpace, Normaliser, input_shape
from skcondense.neural.network import Architecture
from skcondense.neural.problem import Objective
from skcondense.neural.randomness import torch_generator
from skcondense.neural.settings import (
    NETWORKS,
    ByInput,
    NetworkSettings,
    resolve_architecture,
    resolve_augmentation,
)
from skcondense.neural.training import TrainingRecipe, predict, train
from skcondense.table import (
    Container,
    SchemaVectorizer,
    TableEncoder,
    TableSchema,
    check_table,
    infer_schema,
)
from skcondense.tasks import ClassificationTask, RegressionTask, Task

__all__ = ["NeuralClassifier", "NeuralRegressor"]


class _NeuralPredictor(BaseEstimator):
    """A network behind scikit-learn's interface; subclasses say what it predicts."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "network": [StrOptions({"auto", *NETWORKS}), Architecture, ByInput],
        "augmentation": [StrOptions({"auto", *AUGMENTATIONS}), Augmentation],
        "n_steps": [at_least(1)],
        "batch_size": [at_least(1)],
        "learning_rate": [between(0, None)],
        "weight_decay": [between(0, None, closed="left")],
        "schema": [TableSchema, None],
        "device": [str],
        "dtype": [StrOptions({"float32", "float64", "bfloat16"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        network: Any = "auto",
        *,
        augmentation: Any = "auto",
        n_steps: int = 1000,
        batch_size: int = 256,
        learning_rate: float = 0.01,
        weight_decay: float = 5e-4,
        schema: TableSchema | None = None,
        device: str = "auto",
        dtype: str = "float32",
        random_state: Any = None,
    ) -> None:
        self.network = network
        self.augmentation = augmentation
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schema = schema
        self.device = device
        self.dtype = dtype
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        # Gaps are a code of their own, where the schema (or the training rows) have them.
        tags.input_tags.allow_nan = True
        return tags

    def _fit(self, X: Any, y: NDArray[Any], task: Task, sample_weight: Any) -> Self:
        self._validate_params()
        X = check_table(X, images=True)
        validate_data(self, X, skip_check_array=True)
        check_consistent_length(X, y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        container = Container.of(X)
        schema = self.schema or infer_schema(container, container.read(X))
        self.schema_ = schema.for_container(container)
        encoder = TableEncoder(self.schema_)
        Z = SchemaVectorizer(self.schema_).transform(X)
        compute = Compute(self.device, self.dtype)
        normaliser = Normaliser.of_varying(Z, input_shape(encoder)[0], weight)
        space = InputSpace(encoder, normaliser, compute)
        objective = Objective(task, compute)
        settings = NetworkSettings(
            resolve_architecture(self.network, is_image=space.is_image),
            resolve_augmentation(self.augmentation, is_image=space.is_image),
            space,
            objective.n_outputs,
            compute,
        )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        generator = torch_generator(np.random.default_rng(seed))
        self._settings = settings
        self.network_ = settings.network(generator)
        rows = (space.inputs(Z), objective.targets(y), compute.tensor(weight))
        recipe = TrainingRecipe(
            self.n_steps, self.batch_size, self.learning_rate, weight_decay=self.weight_decay
        )
        train(self.network_, rows, objective, recipe, settings.augmentation, generator, compute)
        return self

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """What the network says, of shape (n_rows, n_outputs)."""
        check_is_fitted(self, "network_")
        X = check_table(X, images=True)
        validate_data(self, X, reset=False, skip_check_array=True)
        x = self._settings.space.inputs(SchemaVectorizer(self.schema_).transform(X))
        return predict(self.network_, x, self._settings.compute).to("cpu", torch.float64).numpy()


class NeuralClassifier(ClassifierMixin, _NeuralPredictor):
    """A network for classes, for tables and images.

    Parameters
    ----------
    network : str or Architecture, default="auto"
        "convnet", "mlp", "residual_mlp", "resnet18", "vgg11", "alexnet", or an object such as
        ``ConvNet(width=128)``. "auto" is `ByInput`: a ConvNet for images
        and an MLP for tables.
    augmentation : str or Augmentation, default="auto"
        By name or as an object; "auto" is "medical" for images and "none" for tables.
    n_steps : int, default=1000
        Steps of stochastic gradient descent with momentum 0.9; the learning rate falls to a
        tenth after half of them.
    batch_size : int, default=256
        Rows per step, or all where there are fewer.
    learning_rate : float, default=0.01
        Step length.
    weight_decay : float, default=5e-4
        Weight decay.
    schema : TableSchema, default=None
        What columns may hold; learned from the training rows when None. Pass that of the
        condensed set, whose rows may not show every value that occurs later: what the schema
        does not know is encoded as the middle of its column.
    device : str, default="auto"
        A torch device; "auto" takes a GPU where there is one.
    dtype : {"float32", "float64", "bfloat16"}, default="float32"
        Precision.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches and augmentations.

    Attributes
    ----------
    network_ : torch module
        The trained network.
    schema_ : TableSchema
        What columns may hold.
    classes_ : ndarray of shape (n_classes,)
        Class labels.

    References
    ----------
    Zhao and Bilen (2023), Dataset condensation with distribution matching, WACV,
    arXiv:2110.04181: the recipe, with steps in place of epochs so that small and large training
    sets get the same training.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcondense.neural import NeuralClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = NeuralClassifier(n_steps=200, learning_rate=0.05, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a fresh network.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features), or images
            Rows; images as (n_images, height, width[, channels]).
        y : array-like of shape (n_rows,)
            Class labels.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights.

        Returns
        -------
        self
        """
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"Classification needs two classes. Got {len(self.classes_)} class.")
        return self._fit(X, y, ClassificationTask(self.classes_), sample_weight)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, of shape (n_rows, n_classes)."""
        outputs = self._outputs(X)
        odds = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each row, of shape (n_rows,)."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]


class NeuralRegressor(RegressorMixin, _NeuralPredictor):
    """A network for a number, for tables and images.

    Parameters
    ----------
    network, augmentation, n_steps, batch_size, learning_rate, weight_decay, schema, device, dtype
        As in `NeuralClassifier`.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches and augmentations.

    Attributes
    ----------
    network_, schema_
        As in `NeuralClassifier`.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a fresh network on squared error.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features), or images
            Rows.
        y : array-like of shape (n_rows,)
            Numbers.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights.

        Returns
        -------
        self
        """
        y = column_or_1d(y, warn=True).astype(np.float64)
        task = RegressionTask.of(y)
        self._bounds = task.bounds
        return self._fit(X, y, task, sample_weight)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predicted number of each row, of shape (n_rows,)."""
        outputs = self._outputs(X)[:, 0]
        low, high = self._bounds
        return np.asarray((low + high) / 2 + outputs * (high - low) / 2)
