"""`MarginalsDisplay`: how the prototypes' values are spread, column by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skcondense.audit.real_rows import Codes
from skcondense.base import DatasetCondenser
from skcondense.condensed_set import CondensedSet
from skcondense.condensers.measuring import N_NUMBER_BINS
from skcondense.report.displays.style import COLOURS, REAL, plain
from skcondense.table import ColumnSchema, TableBins, TableEncoder, is_images
from skcondense.table.encoder import MISSING

__all__ = ["MarginalPanel", "MarginalsDisplay"]

Floats = NDArray[np.float64]

# Columns that are drawn unless some are named, and panels in a row of a figure, or of axes.
MOST_COLUMNS, PANELS_PER_ROW, PANELS_PER_ROW_WITHIN = 12, 4, 2
PANEL_WIDTH, PANEL_HEIGHT, LEGEND_HEIGHT = 2.4, 1.9, 0.5
# Distance of the bin of missing cells from the others.
APART = 1.5
# Labels longer than this would run into each other.
LONGEST_LABEL, LABELS_IN_A_ROW = 12, 5


@dataclass(frozen=True)
class MarginalPanel:
    """One column.

    Attributes
    ----------
    title : str
        Name, and unit.
    positions : ndarray of shape (n_bins,)
        Where bins are drawn; that of missing cells stands apart.
    ticks : list of tuple of (float, str)
        Positions of labels, and labels.
    condensed : ndarray of shape (n_bins,)
        Share of the set's weight in each bin.
    reference : ndarray of shape (n_bins,) or None
        Share of patients, by exact or by noised counts.
    error : float
        Half width of the 95 % interval of `reference` that its noise makes; 0 for exact counts.
    """

    title: str
    positions: Floats
    ticks: list[tuple[float, str]]
    condensed: Floats
    reference: Floats | None
    error: float


class MarginalsDisplay:
    """Spread of each column among the prototypes, beside that among real rows.

    A condensed set need not have the marginals of the real table: its rows stand where models learn
    most, and its columns may be fewer. Make one with `from_condensed` or `from_condenser`, which
    also draw it.

    Parameters
    ----------
    panels : mapping of {str: MarginalPanel}
        By column.
    reference_is : str or None
        What the prototypes are compared with.
    n_left_out : int, default=0
        Columns that are not drawn.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on last; the panels lie within it.
    axes_ : list of matplotlib.axes.Axes
        The panels, in order.
    legend_ : matplotlib.legend.Legend
        Above the panels.
    figure_ : matplotlib.figure.Figure
        Their figure.
    """

    def __init__(
        self,
        panels: Mapping[str, MarginalPanel],
        reference_is: str | None,
        n_left_out: int = 0,
    ) -> None:
        self.panels = panels
        self.reference_is = reference_is
        self.n_left_out = n_left_out

    @classmethod
    def from_condensed(
        cls,
        condensed: CondensedSet,
        X: Any = None,
        *,
        counts: Mapping[str, ArrayLike] | None = None,
        noise: float = 0.0,
        columns: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a set, beside real rows or beside noised counts of them.

        Parameters
        ----------
        condensed : CondensedSet
            A table.
        X : array or frame of shape (n_rows, n_features), default=None
            Real rows, for a set without a privacy statement only: exact counts are covered by no
            epsilon.
        counts : mapping of {str: array-like of shape (n_bins,)}, default=None
            Noised counts of real rows by column, in the bins of ``skcondense.table.TableBins`` with
            16 bins of numbers. `from_condenser` takes those that a private fit has asked for.
        noise : float, default=0.0
            Standard deviation of the noise on each of `counts`; drawn as 95 % intervals.
        columns : sequence of str, default=None
            What to draw; by default the first twelve.
        ax : matplotlib Axes, default=None
            Where to draw, divided into panels; by default on a new figure of fitting size.

        Returns
        -------
        MarginalsDisplay

        Raises
        ------
        TypeError
            If the set holds images.
        ValueError
            If real rows are given for a private set or beside counts, a column does not exist, or
            counts do not fit the bins.
        SchemaError
            If `X` is not what the schema of the set allows.
        """
        if is_images(condensed.X):
            raise TypeError("Marginals are of tables. Got a set of images: see ImageGridDisplay.")
        if X is not None and counts is not None:
            raise ValueError("Pass real rows or counts of them. Got both.")
        if X is not None and condensed.privacy is not None:
            raise ValueError(
                "This set promises privacy, and exact counts of real rows are not covered by its "
                "statement. Use from_condenser(fitted), which draws the noised counts that the fit "
                "has paid for, or pass noised counts as counts=."
            )
        columns_drawn = _columns(condensed, columns)
        codes = Codes(condensed)
        bins = TableBins(TableEncoder(condensed.schema), N_NUMBER_BINS)
        own = condensed.sample_weight @ bins.indicators(codes.of(condensed.X))
        reference, reference_is = None, None
        if X is not None:
            reference, reference_is = bins.indicators(codes.of(X)).sum(axis=0), "real rows"
        elif counts is not None:
            reference = _in_bins(counts, columns_drawn, condensed, bins)
            reference_is = "noised counts of real rows"
        panels = {
            name: _panel(condensed, bins, condensed.schema.names.index(name), own, reference, noise)
            for name in columns_drawn
        }
        n_left_out = 0 if columns is not None else len(condensed.schema) - len(panels)
        return cls(panels, reference_is, n_left_out).plot(ax=ax)

    @classmethod
    def from_condenser(
        cls,
        condenser: DatasetCondenser,
        *,
        columns: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the set of a private fit beside the noised counts that the fit asked for.

        The counts are recorded answers, so drawing them costs no privacy. They are drawn as they
        came through the door, without the smoothing that the fit does next.

        Parameters
        ----------
        condenser : DatasetCondenser
            Fitted with epsilon, by a method that counts bins: cluster, herding or zero-order.
        columns : sequence of str, default=None
            What to draw; by default the first twelve.
        ax : matplotlib Axes, default=None
            Where to draw, divided into panels; by default on a new figure of fitting size.

        Returns
        -------
        MarginalsDisplay

        Raises
        ------
        ValueError
            If the fit recorded no counts.
        """
        condensed = condenser.condensed_set_
        spends = () if condensed.privacy is None else condensed.privacy.spends
        asked = [i for i, spend in enumerate(spends) if spend.query == "histograms"]
        if not asked:
            raise ValueError(
                f"This fit asked for no counts of bins. Got {type(condenser).__name__} with "
                f"epsilon={condenser.epsilon}. Use from_condensed, with real rows where there is "
                "no privacy statement."
            )
        answer = condenser.answers_[asked[0]]
        bins = TableBins(TableEncoder(condensed.schema), N_NUMBER_BINS)
        # One count per stratum and bin.
        by_stratum = answer.value.reshape(-1, len(bins))
        ends = np.cumsum(bins.sizes)[:-1]
        counts = dict(
            zip(condensed.schema.names, np.split(by_stratum.sum(axis=0), ends), strict=True)
        )
        noise = answer.noise * len(by_stratum) ** 0.5
        return cls.from_condensed(condensed, counts=counts, noise=noise, columns=columns, ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw a panel per column.

        Bins of numbers are equally wide on the axis on which the set was made: most of it is the
        range in which most values fall.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, divided into panels; by default on a new figure of fitting size.

        Returns
        -------
        MarginalsDisplay
            Itself.

        Raises
        ------
        ValueError
            If the axes are not those of a grid, which alone can be divided.
        """
        from matplotlib import pyplot

        most = PANELS_PER_ROW if ax is None else PANELS_PER_ROW_WITHIN
        n_columns = min(most, len(self.panels))
        n_rows = -(-len(self.panels) // n_columns)
        if ax is None:
            size = (PANEL_WIDTH * n_columns + 0.6, PANEL_HEIGHT * n_rows + LEGEND_HEIGHT)
            ax = pyplot.figure(figsize=size, layout="constrained").add_subplot()
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError(
                "Panels need axes of a grid, such as those of pyplot.subplots(). Got axes that "
                "were placed by hand."
            )
        ax.set_axis_off()
        self.ax_, self.figure_ = ax, ax.figure
        # The first row is the legend's.
        heights = [LEGEND_HEIGHT, *[PANEL_HEIGHT] * n_rows]
        grid = place.subgridspec(n_rows + 1, n_columns, height_ratios=heights)
        self.axes_ = []
        for position, panel in enumerate(self.panels.values()):
            row, column = divmod(position, n_columns)
            one = self.figure_.add_subplot(grid[row + 1, column])
            _draw(one, panel, self.reference_is)
            if column == 0:
                one.set_ylabel("Share (%)")
            self.axes_.append(one)
        handles, labels = self.axes_[0].get_legend_handles_labels()
        title = f"{self.n_left_out} more columns are not drawn" if self.n_left_out else None
        head = self.figure_.add_subplot(grid[0, :])
        head.set_axis_off()
        self.legend_ = head.legend(
            handles, labels, loc="center", ncols=2, fontsize="small", frameon=False,
            title=title, title_fontsize="small",
        )  # fmt: skip
        return self


def _columns(condensed: CondensedSet, columns: Sequence[str] | None) -> list[str]:
    names = list(condensed.schema.names)
    if columns is None:
        return names[:MOST_COLUMNS]
    unknown = sorted(set(columns) - set(names))
    if unknown or not len(columns):
        raise ValueError(f"columns must name some of {names}. Got {unknown or 'none'}.")
    return list(columns)


def _in_bins(
    counts: Mapping[str, ArrayLike], columns: list[str], condensed: CondensedSet, bins: TableBins
) -> Floats:
    """Counts of all bins, zero in columns that are not drawn."""
    out = np.zeros(len(bins))
    for name in columns:
        j = condensed.schema.names.index(name)
        given = np.asarray(counts.get(name, ()), dtype=np.float64)
        if given.shape != (bins.sizes[j],):
            raise ValueError(
                f"Column {name!r} has {bins.sizes[j]} bins, the last of them for missing cells if "
                f"there may be some. Got counts of shape {given.shape}. See TableBins."
            )
        out[bins.starts[j] : bins.starts[j] + bins.sizes[j]] = given
    return out


def _panel(
    condensed: CondensedSet,
    bins: TableBins,
    j: int,
    own: Floats,
    reference: Floats | None,
    noise: float,
) -> MarginalPanel:
    column = condensed.schema.columns[j]
    part = slice(bins.starts[j], bins.starts[j] + bins.sizes[j])
    n_values = int(bins.sizes[j]) - int(bins.has_missing[j])
    # Noise may make counts negative, and their sum small.
    total = None if reference is None else max(float(reference[part].sum()), 1.0)
    return MarginalPanel(
        title=column.name if column.unit is None else f"{column.name} ({column.unit})",
        positions=np.append(np.arange(n_values), [n_values + APART] * int(bins.has_missing[j])),
        ticks=_ticks(condensed, bins, j),
        condensed=own[part] / own[part].sum(),
        reference=None if reference is None or total is None else reference[part] / total,
        error=0.0 if total is None else 1.96 * noise / total,
    )


def _ticks(condensed: CondensedSet, bins: TableBins, j: int) -> list[tuple[float, str]]:
    """Edges of some bins of numbers; otherwise the value in each bin."""
    column = condensed.schema.columns[j]
    n_bins = int(bins.sizes[j]) - int(bins.has_missing[j])
    if _is_divided(column, n_bins):
        at = np.linspace(0, n_bins, 3)
        values = _values(condensed, j, at / n_bins * 2 - 1)
        ticks = [(float(x) - 0.5, _short(value)) for x, value in zip(at, values, strict=True)]
        # Where nearly all mass of an axis lies between two edges, these look alike.
        ticks = list({label: (x, label) for x, label in reversed(ticks)}.values())[::-1]
    elif column.categories is not None:
        ticks = [(float(x), str(value)) for x, value in enumerate(column.categories)]
    else:
        assert column.bounds is not None
        first = np.ceil(column.bounds[0])
        step = -(-n_bins // LABELS_IN_A_ROW)
        ticks = [(float(x), f"{first + x:g}") for x in range(0, n_bins, step)]
    return [*ticks, (n_bins + APART, "missing")] if bins.has_missing[j] else ticks


def _is_divided(column: ColumnSchema, n_bins: int) -> bool:
    """Whether bins are parts of an axis: integers of few values have a bin for each."""
    if column.bounds is None or n_bins != N_NUMBER_BINS:
        return False
    low, high = column.bounds
    return column.kind == "numeric" or np.floor(high) - np.ceil(low) + 1 > N_NUMBER_BINS


def _values(condensed: CondensedSet, j: int, codes: Floats) -> Any:
    """Values of a column of numbers at some places of its axis."""
    encoder = TableEncoder(condensed.schema)
    rows = np.zeros((len(codes), encoder.n_codes))
    part = encoder.slices[j]
    rows[:, part.start] = codes
    if condensed.schema.columns[j].missing:
        rows[:, part.stop - 1] = -MISSING
    return encoder.decode(rows)[j].values.astype(np.float64)


def _draw(ax: Any, panel: MarginalPanel, reference_is: str | None) -> None:
    at = panel.positions
    if panel.reference is not None:
        error = 100 * panel.error if panel.error else None
        ax.bar(
            at, 100 * panel.reference, width=0.9, color=REAL, label=reference_is,
            yerr=error, error_kw={"elinewidth": 0.8, "ecolor": "0.3"},
        )  # fmt: skip
    ax.bar(
        at, 100 * panel.condensed, width=0.9, fill=False, edgecolor=COLOURS[0], linewidth=1.3,
        label="prototypes, by weight",
    )  # fmt: skip
    ax.set_title(plain(panel.title), fontsize="small")
    positions, labels = zip(*panel.ticks, strict=True)
    short = [
        label if len(label) <= LONGEST_LABEL else f"{label[:LONGEST_LABEL]}…" for label in labels
    ]
    is_crowded = len(labels) > LABELS_IN_A_ROW or max(map(len, short)) > LONGEST_LABEL / 2
    ax.set_xticks(
        positions, [plain(label) for label in short], fontsize="x-small",
        rotation=40 if is_crowded else 0, ha="right" if is_crowded else "center",
    )  # fmt: skip
    ax.tick_params(axis="y", labelsize="x-small")
    ax.set_xlim(-0.7, at[-1] + 0.7)


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
