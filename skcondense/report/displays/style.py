"""What all displays share: colours, markers and new axes."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

__all__ = ["CHANCE", "REAL", "axes_or_new", "marked", "plain"]

# Okabe and Ito's colours, which colour-blind readers tell apart, and markers for prints in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# What is real, and what is by chance or ideal.
REAL, CHANCE = "0.65", "0.4"


def marked(names: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """Each name with a colour and a marker, as keywords of matplotlib."""
    looks = zip(cycle(COLOURS), cycle(MARKERS), strict=False)
    return [
        (name, {"color": colour, "marker": marker})
        for name, (colour, marker) in zip(names, looks, strict=False)
    ]


def plain(text: str) -> str:
    """Text from data, in which no pair of dollar signs makes a formula."""
    return text.replace("$", r"\$")


def axes_or_new(ax: Any, width: float = 6.4, height: float = 4.4) -> Any:
    """The axes themselves, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(width, height), layout="constrained")[1]
