"""Tables and plots of the peers' results.

Run: python -m tests.benchmarks.peers.summary FOLDER    (reads its results.csv)
"""

import argparse
import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tests.benchmarks.peers.methods import MODELS, OURS, SYNTHESISERS

VARIANT = ["method", "size", "labels"]
CELL = ["table", "epsilon"]
METRICS = ["auroc", "auprc", "brier", "calibration_slope", "auroc_ratio"]
SIZES = {"own": "its own size", "ours": "200 rows", "model": "no rows", "": ""}
NOTE = """\
A cell is the mean over seeds (± standard deviation) of the mean over the downstream models:
logistic regression, a tree of depth 5, a forest, XGBoost; private models are scored by themselves.
"Soft": every row once per class, weighted by what a teacher says; for synthesisers the teacher
(forest and boosting) is trained on their own larger sample, which costs no privacy. All methods get
the same declared schema. MST, AIM and PrivBayes get numbers in 16 public bins of equal width on the
encoded axis, and their models are bounded at 80 MB by dpmm's own option. Tab-PE's own size is 1,000
rows. CondensedNearestNeighbour chooses its size itself."""


def write(results: pd.DataFrame, folder: Path) -> None:
    means = _means(results)
    parts = ["# Peers", NOTE]
    for epsilon in sorted(results["epsilon"].unique(), reverse=True):
        parts += [f"## Epsilon {epsilon:g}", _utility(results, means, epsilon)]
        parts += [_markdown(_metrics(means, epsilon))]
    parts += [
        "## Who is ahead",
        *_wins(results, means),
        "## Processor seconds per fit",
        _markdown(_seconds(results)),
    ]
    (folder / "summary.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        _plot_utility(means).savefig(folder / "utility.png", dpi=150, bbox_inches="tight")
        _plot_time(results, means).savefig(folder / "time.png", dpi=150, bbox_inches="tight")


def _means(results: pd.DataFrame) -> pd.DataFrame:
    """Mean over models per split, then mean over seeds per cell and variant, with AUROC's sd."""
    done = results[results["status"] == "ok"].fillna({"labels": ""})
    per_split = done.groupby([*CELL, *VARIANT, "seed"], sort=False)[METRICS].mean()
    grouped = per_split.groupby([*CELL, *VARIANT], sort=False)
    means = grouped.mean().assign(sd=grouped["auroc"].std(), seeds=grouped.size())
    return means.reset_index()


def _labels(cells: pd.DataFrame) -> list[str]:
    rows = zip(cells["method"], cells["size"].map(SIZES), cells["labels"], strict=True)
    return [", ".join(filter(None, row)) for row in rows]


def _utility(results: pd.DataFrame, means: pd.DataFrame, epsilon: float) -> str:
    cells = means[means["epsilon"] == epsilon]
    text = cells["auroc"].map("{:.3f}".format) + cells["sd"].map(
        lambda sd: "" if math.isnan(sd) else f" ± {sd:.3f}"
    )
    frame = pd.DataFrame({"method": _labels(cells), "table": cells["table"], "text": text})
    table = frame.pivot_table(
        index="method", columns="table", values="text", aggfunc="first", sort=False
    )
    here = results[results["epsilon"] == epsilon]
    for (method, name), why in _failures(here).items():
        table.loc[method, name] = why
    return _markdown(table.fillna(""))


def _failures(results: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Reasons by method and table, where no seed has an answer."""
    failed = results[results["status"] != "ok"]
    done = set(map(tuple, results[results["status"] == "ok"][["method", "table"]].to_numpy()))
    reasons = failed.groupby(["method", "table"], sort=False)["status"].first()
    return {key: why for key, why in reasons.items() if key not in done}


def _metrics(means: pd.DataFrame, epsilon: float) -> pd.DataFrame:
    """Means over the tables on which a variant answered; their number is the last column."""
    cells = means[means["epsilon"] == epsilon].copy()
    cells["method"] = _labels(cells)
    grouped = cells.groupby("method", sort=False)
    return grouped[METRICS].mean().round(3).assign(tables=grouped["table"].nunique())


def _wins(results: pd.DataFrame, means: pd.DataFrame) -> list[str]:
    private = means[np.isfinite(means["epsilon"])]
    own = private["size"] == "own"
    groups = {
        "every synthesiser at its own full size": private[
            private["method"].isin(SYNTHESISERS) & own & (private["labels"] == "hard")
        ],
        "every synthesiser in any variant": private[private["method"].isin(SYNTHESISERS)],
        "every private model": private[private["method"].isin(MODELS)],
        "every peer at its own full size": private[
            (private["method"].isin(SYNTHESISERS) & own & (private["labels"] == "hard"))
            | private["method"].isin(MODELS)
        ],
    }
    lines = [
        _win(method, peers, name, private)
        for method in OURS
        for name, peers in groups.items()
        if len(peers)
    ]
    silent = results[(results["status"] != "ok") & results["method"].isin([*SYNTHESISERS, *MODELS])]
    counts = silent.groupby(["method", "status"]).size()
    lines += [f"- No answer: {m}, {why} ({n} splits)." for (m, why), n in counts.items()]
    return ["\n".join([*lines, *_baseline_wins(means)])]


def _win(method: str, peers: pd.DataFrame, name: str, private: pd.DataFrame) -> str:
    ours = private[private["method"] == method].set_index(CELL)["auroc"]
    best = peers.groupby(CELL)["auroc"].max()
    shared = ours.index.intersection(best.index)
    if shared.empty:
        return f"- {method}: nothing to compare with {name}."
    ahead = int((ours[shared] > best[shared]).sum())
    gap = (ours[shared] - best[shared]).mean()
    return (
        f"- {method} (200 weighted rows) has the highest mean AUROC in {ahead} of {len(shared)} "
        f"cells against {name} that answered; mean difference to the best {gap:+.3f}."
    )


def _baseline_wins(means: pd.DataFrame) -> list[str]:
    public = means[np.isinf(means["epsilon"])]
    others = public[~public["method"].isin([*OURS, "full data"]) & (public["size"] == "ours")]
    if others.empty:
        return []
    return [
        _win(method, others, "every baseline of 200 rows without privacy", public)
        for method in OURS
    ]


def _seconds(results: pd.DataFrame) -> pd.DataFrame:
    """By method and table, the epsilons together, and the mean ratio to AIM's."""
    done = results[results["status"] == "ok"].drop_duplicates([*CELL, *VARIANT, "seed"])
    done = done[np.isfinite(done["epsilon"]) & (done["labels"] != "soft")
                | done["method"].isin(OURS) & np.isfinite(done["epsilon"])]  # fmt: skip
    table = done.pivot_table(index="method", columns="table", values="cpu_seconds", sort=False)
    if "AIM" in table.index:
        table["share of AIM's"] = (table / table.loc["AIM"]).mean(axis=1)
    memory = done.groupby("method")["peak_mb"].max()
    return table.assign(**{"peak MB": memory}).round(2)


def _markdown(table: pd.DataFrame) -> str:
    """GitHub's table form; pandas' own needs another package."""
    table = table.reset_index()
    head = "| " + " | ".join(map(str, table.columns)) + " |"
    rows = ["| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join([head, "|" + " --- |" * len(table.columns), *rows])


def _plot_utility(means: pd.DataFrame) -> Figure:
    """AUROC over the full data's, every table a point, every method a line."""
    epsilons = sorted(means["epsilon"].unique())
    figure = Figure(figsize=(5 * len(epsilons), 6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(epsilons), sharex=True))
    for axis, epsilon in zip(axes, epsilons, strict=True):
        cells = means[(means["epsilon"] == epsilon) & (means["method"] != "full data")].copy()
        cells["label"] = _labels(cells)
        order = cells.groupby("label")["auroc_ratio"].mean().sort_values()
        height = dict(zip(order.index, range(len(order)), strict=True))
        is_ours = cells["method"].isin(OURS)
        for mask, color in ((~is_ours, "tab:gray"), (is_ours, "tab:blue")):
            at = cells.loc[mask, "label"].map(height)
            axis.plot(cells.loc[mask, "auroc_ratio"], at, "o", color=color, alpha=0.5)
        axis.plot(order, range(len(order)), "k|", markersize=14)
        axis.axvline(1, color="black", linewidth=0.5)
        axis.set_yticks(range(len(order)), order.index)
        axis.set(title=f"epsilon {epsilon:g}", xlabel="AUROC / AUROC of the full data")
    return figure


def _plot_time(results: pd.DataFrame, means: pd.DataFrame) -> Figure:
    """AUROC against seconds of a fit, per method, over all private cells."""
    private = results[np.isfinite(results["epsilon"]) & (results["status"] == "ok")]
    seconds = private.groupby("method")["cpu_seconds"].mean()
    best = means[np.isfinite(means["epsilon"])].groupby(VARIANT)["auroc_ratio"].mean()
    best = best.groupby("method").max()
    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    for method in best.index:
        color = "tab:blue" if method in OURS else "tab:gray"
        axis.plot(seconds[method], best[method], "o", color=color)
        axis.annotate(method, (seconds[method], best[method]), xytext=(4, 4),
                      textcoords="offset points", fontsize=8)  # fmt: skip
    axis.set(
        xscale="log", xlabel="processor seconds per fit", ylabel="AUROC / full data, best variant"
    )
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    write(pd.read_csv(folder / "results.csv"), folder)


if __name__ == "__main__":
    main()
