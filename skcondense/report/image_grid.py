"""`ImageGridDisplay`: pictures of a condensed set of images, a row per class."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d

from skcondense.condensed_set import CondensedSet
from skcondense.report.displays.style import plain
from skcondense.table import Container, TableSchema, infer_schema, is_images

__all__ = ["ImageGridDisplay"]

Pictures = NDArray[np.float64]

# White space between pictures, in units of their height.
GAP = 0.06
# Height of a picture on paper, in inches, and what titles and margins take.
PICTURE_HEIGHT, MARGIN_WIDTH, MARGIN_HEIGHT = 0.6, 1.2, 0.4


class ImageGridDisplay:
    """Pictures in a grid, a row per class.

    Make one with `from_condensed` or `from_images`, which also draw it.

    Parameters
    ----------
    rows : mapping of {str: ndarray of shape (n_images, height, width[, 3])}
        Pictures of each row by its title, from 0 (black) to 1. All of one size; rows may differ in
        length.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on last; one axes holds the whole grid.
    figure_ : matplotlib.figure.Figure
        Its figure.
    images_ : list of matplotlib.image.AxesImage
        The pictures, row by row.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcondense import ClusterCondenser
    >>> from skcondense.report import ImageGridDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> condensed = ClusterCondenser(30, labels="hard").condense(X.reshape(-1, 8, 8), y)
    >>> display = ImageGridDisplay.from_condensed(condensed, max_per_class=3)
    >>> len(display.images_)
    30
    """

    def __init__(self, rows: Mapping[str, Pictures]) -> None:
        self.rows = rows

    @classmethod
    def from_condensed(
        cls, condensed: CondensedSet, *, max_per_class: int = 10, ax: Any = None
    ) -> Self:
        """Draw the prototypes of a condensed set of images.

        Each prototype is drawn once, in the row of its heaviest label. Where a method learned
        mosaics, these are the enlarged tiles, which is what models are trained on. The outcomes of
        other tasks than classification make no rows: all prototypes lie in one.

        Parameters
        ----------
        condensed : CondensedSet
            Images of one channel or three.
        max_per_class : int, default=10
            Pictures per class, the first ones; the title says so if there are more.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        ImageGridDisplay

        Raises
        ------
        TypeError
            If the set holds no images.
        ValueError
            If there are no images, they have another number of channels, or `max_per_class` is
            less than 1.
        """
        rows = _heaviest_rows(condensed)
        X, y = condensed.take(rows)
        is_class = condensed.task == "classification"
        labels = y if is_class else np.full(len(rows), "prototypes")
        return cls._of(X, labels, condensed.schema, max_per_class).plot(ax=ax)

    @classmethod
    def from_images(
        cls,
        X: Any,
        y: Any,
        *,
        schema: TableSchema | None = None,
        max_per_class: int = 10,
        ax: Any = None,
    ) -> Self:
        """Draw images with their classes, to put beside a condensed set.

        Real images stay real patients' images: no epsilon covers a picture of them.

        Parameters
        ----------
        X : ndarray of shape (n_images, height, width) or (n_images, height, width, channels)
            Images of one channel or three.
        y : array-like of shape (n_images,)
            Classes.
        schema : TableSchema, default=None
            Says which pixels are black and white: that of a condensed set gives its pictures the
            same brightness. By default as a condenser would infer it.
        max_per_class, ax
            As for `from_condensed`.

        Returns
        -------
        ImageGridDisplay

        Raises
        ------
        TypeError, ValueError
            As for `from_condensed`; also if X and y differ in length, or X does not fit `schema`.
        """
        check_consistent_length(X, y)
        return cls._of(X, y, schema, max_per_class).plot(ax=ax)

    @classmethod
    def _of(cls, X: Any, labels: Any, schema: TableSchema | None, max_per_class: int) -> Self:
        if max_per_class < 1:
            raise ValueError(f"max_per_class must be 1 or more. Got {max_per_class}.")
        _check_images(X)
        bounds, labels = _black_and_white(X, schema), column_or_1d(labels)
        rows = {}
        for label in np.unique(labels):
            found = np.flatnonzero(labels == label)
            shown = found[:max_per_class]
            part = "" if len(shown) == len(found) else f"\n{len(shown)} of {len(found)}"
            rows[f"{label}{part}"] = _pictures(X[shown], *bounds)
        return cls(rows)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure of fitting size.

        Returns
        -------
        ImageGridDisplay
            Itself.
        """
        pictures = list(self.rows.values())
        n_rows, n_columns = len(pictures), max(len(row) for row in pictures)
        height, width = pictures[0].shape[1:3]
        aspect = width / height
        if ax is None:
            ax = _new_axes(n_rows, n_columns * aspect)
        self.ax_, self.figure_ = ax, ax.figure
        self.images_ = [
            ax.imshow(
                picture,
                cmap="gray",
                vmin=0,
                vmax=1,
                # Left, right, bottom, top, on an axis that points down.
                extent=(j * aspect, (j + 1) * aspect - GAP, i + 1 - GAP, i),
            )
            for i, row in enumerate(pictures)
            for j, picture in enumerate(row)
        ]
        ax.set(xlim=(0, n_columns * aspect - GAP), ylim=(n_rows - GAP, 0), xticks=[])
        ax.set_yticks(np.arange(n_rows) + (1 - GAP) / 2, [plain(name) for name in self.rows])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return self


def _heaviest_rows(condensed: CondensedSet) -> NDArray[np.intp]:
    """One row of each prototype: soft labels repeat its features."""
    order = np.argsort(-condensed.sample_weight, kind="stable")
    _, first = np.unique(condensed.prototype[order], return_index=True)
    return np.asarray(order[first])


def _check_images(X: Any) -> None:
    if not is_images(X):
        raise TypeError(
            "Pictures are drawn of arrays of shape (n_images, height, width[, channels]). Got "
            f"{type(X).__name__} of shape {np.shape(X)}. For tables use to_frame()."
        )
    if not len(X):
        raise ValueError("There is nothing to draw. Got 0 images.")
    if X.ndim == 4 and X.shape[3] not in (1, 3):
        raise ValueError(
            f"Pictures need one channel (grey) or three (red, green, blue). Got {X.shape[3]}. "
            "Choose channels, as in from_images(X[..., :1], y)."
        )


def _black_and_white(X: NDArray[Any], schema: TableSchema | None) -> tuple[float, float]:
    """Smallest and largest possible pixel."""
    container = Container.of(X)
    columns = container.read(X)
    schema = (schema or infer_schema(container, columns)).for_container(container)
    schema.check(columns)
    return schema.columns[0].bounds or (0.0, 1.0)


def _pictures(X: NDArray[Any], low: float, high: float) -> Pictures:
    """Pixels from 0 to 1, as plots want them; grey ones without an axis of channels."""
    pictures = np.clip((X.astype(np.float64) - low) / (high - low or 1.0), 0, 1)
    return pictures[..., 0] if X.ndim == 4 and X.shape[3] == 1 else pictures


def _new_axes(n_rows: int, width: float) -> Any:
    """Axes on a figure that gives pictures the same height whatever their number."""
    from matplotlib import pyplot

    size = (PICTURE_HEIGHT * width + MARGIN_WIDTH, PICTURE_HEIGHT * n_rows + MARGIN_HEIGHT)
    return pyplot.subplots(figsize=size, layout="constrained")[1]
