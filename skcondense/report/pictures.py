"""Plots of a release, with what they show in words for those who cannot see them."""

from typing import Any

import numpy as np

from skcondense.audit import UtilityComparison
from skcondense.audit.membership import MembershipAudit
from skcondense.audit.verdict import CONDENSED
from skcondense.condensed_set import CondensedSet
from skcondense.exceptions import TargetError
from skcondense.report.displays import (
    AttackROCDisplay,
    CalibrationDisplay,
    MarginalsDisplay,
    SurvivalCurvesDisplay,
    UtilityDisplay,
)
from skcondense.report.displays.marginals import (
    LEGEND_HEIGHT,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    PANELS_PER_ROW,
)
from skcondense.report.document import Block, Paragraph, Picture
from skcondense.report.image_grid import ImageGridDisplay
from skcondense.table import is_images

__all__ = ["picture_of_attacks", "pictures_of_rows", "pictures_of_utility"]

# Width and height in inches: what is read on a phone must not be wide.
OBLONG, SQUARE = (6.4, 4.2), (5.4, 5.2)
# Of one image in a grid, and what titles and margins take.
IMAGE_HEIGHT, TITLE_WIDTH, MARGIN = 0.55, 1.3, 0.3


def pictures_of_utility(utility: UtilityComparison) -> list[Block]:
    """Draw scores, and calibration where there is one.

    Parameters
    ----------
    utility : UtilityComparison
        What was measured.

    Returns
    -------
    list of Block
    """
    n_models = len(utility.scores[utility.of_set])
    axes = _axes(OBLONG[0], 1.8 + 0.55 * n_models)
    UtilityDisplay.from_comparison(utility, ax=axes)
    means = ", ".join(f"{mean:.3f} for {name}" for name, mean in utility.means.items())
    pictures: list[Block] = [
        Picture(
            axes.figure,
            f"{utility.metric} of {n_models} models by the rows that they learned from. "
            f"Means: {means}.",
            "Scores of each model. The farther right, the better. Markers of the set near those of "
            "all real rows mean that little was lost.",
        )
    ]
    return pictures + _picture_of_calibration(utility)


def _picture_of_calibration(utility: UtilityComparison) -> list[Block]:
    if utility.calibration is None:
        return []
    axes = _axes(*SQUARE)
    CalibrationDisplay.from_comparison(utility, ax=axes)
    table = utility.calibration[utility.of_set]
    pairs = ", ".join(
        f"{said:.0%} predicted and {seen:.0%} observed"
        for said, seen in zip(table["predicted"], table["observed"], strict=True)
    )
    return [
        Picture(
            axes.figure,
            f"Calibration of a model trained on {utility.of_set}, by groups of patients: {pairs}.",
            "Calibration: whether risks can be taken at their word. Patients are grouped by the "
            "risk that the model predicts; on the dashed line as many have the outcome as were "
            "predicted. Points below it: risks are too high; above it: too low.",
        )
    ]


def picture_of_attacks(part: MembershipAudit) -> list[Block]:
    """Draw what membership attacks find.

    Parameters
    ----------
    part : MembershipAudit
        What was found.

    Returns
    -------
    list of Block
    """
    axes = _axes(*SQUARE)
    AttackROCDisplay.from_audit(part, ax=axes)
    own = {attack: score.auc for (of, attack), score in part.scores.items() if of == CONDENSED}
    areas = ", ".join(f"{attack} {area:.2f}" for attack, area in own.items())
    return [
        Picture(
            axes.figure,
            f"ROC curves of attacks on the set, on logarithmic axes. Areas: {areas}; 0.5 is "
            "guessing.",
            "Members found, by how many others are accused wrongly. Curves on the dashed line are "
            "no better than guessing. A curve far above it at the left finds a few members almost "
            "for certain.",
        )
    ]


def pictures_of_rows(condensed: CondensedSet) -> list[Block]:
    """Draw what of a set can be seen: images or the spread of columns, and survival.

    Parameters
    ----------
    condensed : CondensedSet
        The set.

    Returns
    -------
    list of Block
        Pictures, or why there is none.
    """
    draw = _picture_of_images if is_images(condensed.X) else _picture_of_marginals
    return [*draw(condensed), *_picture_of_survival(condensed)]


def _picture_of_survival(condensed: CondensedSet) -> list[Block]:
    if condensed.task != "survival":
        return []
    axes = _axes(*OBLONG)
    try:
        table = SurvivalCurvesDisplay.from_condensed(condensed, ax=axes).table
    except TargetError:
        return [Paragraph("No row has an event, so there is no survival curve.")]
    middle = np.unique(np.linspace(0, len(table) - 1, 4).astype(int))
    shares = ", ".join(
        f"{share:.0%} after {time:g}"
        for time, share in table.iloc[middle][["time", "condensed"]].itertuples(index=False)
    )
    return [
        Picture(
            axes.figure,
            f"Survival curve of the condensed set: without the event are {shares}.",
            "Share of the made-up patients without the event at each time (Kaplan-Meier curve), "
            "by their weights.",
        )
    ]


def _picture_of_images(condensed: CondensedSet) -> list[Block]:
    if condensed.X.ndim == 4 and condensed.X.shape[3] not in (1, 3):
        n_channels = condensed.X.shape[3]
        return [Paragraph(f"Images of {n_channels} channels cannot be shown in colour.")]
    axes = _axes(*OBLONG)
    display = ImageGridDisplay.from_condensed(condensed, ax=axes)
    n_rows, n_columns = len(display.rows), max(map(len, display.rows.values()))
    height, width = condensed.X.shape[1:3]
    axes.figure.set_size_inches(
        TITLE_WIDTH + IMAGE_HEIGHT * n_columns * width / height,
        MARGIN + IMAGE_HEIGHT * n_rows,
    )
    return [
        Picture(
            axes.figure,
            f"{len(display.images_)} of the made-up images, by class in {n_rows} rows.",
            "Made-up images. Each stands in the row of its likeliest class.",
        )
    ]


def _picture_of_marginals(condensed: CondensedSet) -> list[Block]:
    axes = _axes(*OBLONG)
    display = MarginalsDisplay.from_condensed(condensed, ax=axes)
    n_lines = -(-len(display.panels) // PANELS_PER_ROW)
    axes.figure.set_size_inches(
        PANELS_PER_ROW * PANEL_WIDTH, n_lines * PANEL_HEIGHT + LEGEND_HEIGHT
    )
    more = f" {display.n_left_out} more columns are not drawn." if display.n_left_out else ""
    return [
        Picture(
            axes.figure,
            f"Bar charts of the values of {', '.join(display.panels)} among the made-up patients.",
            "Spread of values among the made-up patients, by their weights. It need not be that of "
            f"the real table: rows stand where models learn most from them.{more}",
        )
    ]


def _axes(width: float, height: float) -> Any:
    """Axes on a figure that no global state knows."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").subplots()
