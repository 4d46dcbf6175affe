"""`AttackROCDisplay`: how many members attacks find, by how often they are wrong."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from skcondense.audit import AttackScore, MembershipAudit
from skcondense.report.displays.style import CHANCE, axes_or_new, marked

__all__ = ["AttackROCDisplay"]


class AttackROCDisplay:
    """ROC curves of attacks, on logarithmic axes.

    What harms is a few members found with hardly a false alarm, the lower left corner, which
    linear axes hide [1]_. Make one with `from_audit` or `from_scores`, which also draw it.

    Parameters
    ----------
    scores : mapping of {str: AttackScore}
        By attack.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on last.
    figure_ : matplotlib.figure.Figure
        Its figure.
    lines_ : list of matplotlib.lines.Line2D
        The curve of each attack, in order.
    chance_ : matplotlib.lines.Line2D
        The line of guessing.

    References
    ----------
    .. [1] Carlini et al. (2022), Membership inference attacks from first principles, IEEE S&P,
       arXiv:2112.03570.
    """

    def __init__(self, scores: Mapping[str, AttackScore]) -> None:
        self.scores = scores

    @classmethod
    def from_audit(
        cls, audit: MembershipAudit, *, target: str = "condensed", ax: Any = None
    ) -> Self:
        """Draw the attacks of a membership audit.

        Parameters
        ----------
        audit : MembershipAudit
            What attacks found.
        target : {"condensed", "published rows", "unrelated rows"}, default="condensed"
            What was attacked: the set, or one of the two controls.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        AttackROCDisplay

        Raises
        ------
        ValueError
            If there is no such target.
        """
        found = {name: score for (of, name), score in audit.scores.items() if of == target}
        if not found:
            targets = sorted({of for of, _ in audit.scores})
            raise ValueError(f"target must be one of {targets}. Got {target!r}.")
        return cls.from_scores(found, ax=ax)

    @classmethod
    def from_scores(cls, scores: Mapping[str, AttackScore], *, ax: Any = None) -> Self:
        """Draw attacks that `skcondense.audit.score_attack` has scored.

        Parameters
        ----------
        scores : mapping of {str: AttackScore}
            By attack.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        AttackROCDisplay

        Raises
        ------
        ValueError
            If there are none.
        """
        if not scores:
            raise ValueError("There is nothing to draw. Got no scores.")
        return cls(scores).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the curves.

        Each step is a threshold that the attacker could choose. A rate of 0 has no place on a
        logarithmic axis and is drawn at its edge, half of the smallest rate that the records can
        show.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        AttackROCDisplay
            Itself.
        """
        ax = axes_or_new(ax, 5.4, 4.8)
        self.ax_, self.figure_ = ax, ax.figure
        floor = 0.5 / max(max(score.n_members, score.n_others) for score in self.scores.values())
        (self.chance_,) = ax.plot(
            [floor, 1], [floor, 1], "--", color=CHANCE, label="guessing (area 0.5)"
        )
        self.lines_ = []
        for name, look in marked(self.scores):
            score = self.scores[name]
            alarms, found = np.maximum(score.roc, floor)
            (line,) = ax.plot(
                alarms, found, color=look["color"], drawstyle="steps-post", clip_on=False,
                label=f"{name} (area {score.auc:.2f})",
            )  # fmt: skip
            self.lines_.append(line)
        ax.set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor, 1), aspect="equal")
        ax.set_xlabel("False alarms (share of others taken for members)")
        ax.set_ylabel("Members found (share)")
        ax.grid(alpha=0.3)
        ax.legend(loc="lower right", fontsize="small")
        return self
