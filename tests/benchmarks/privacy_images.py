"""What condensed images give away: reconstruction and membership, as two tables of the DDM paper.

Called by `python -m tests.benchmarks.privacy --of images`.

Of a set, patients are drawn whose images are condensed (members), and twice as many whose images
are not: half of those are what the attacker compares with. A row of the file per method and
measure or attack. A method whose rows are there already is not run again.
"""

import argparse
import itertools
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from skcondense.audit import closeness_audit, membership_audit, reconstruction_audit
from skcondense.audit.verdict import CONDENSED, PUBLISHED, UNRELATED
from tests.benchmarks.data import folder
from tests.benchmarks.images import SETS, condensers, declared

# Name in the table, and in the benchmark of images.
METHODS = {
    "size-matched real": "random",
    "DM": "DM",
    "GM": "GM",
    "DDM": "DDM",
    "DP-DM, epsilon 4": "DM, epsilon 4",
    "HoP-TM": "HoP-TM",
}
# Every shadow would train experts of its own.
WITHOUT_SHADOWS = {"HoP-TM"}
CELL = ["set", "seed", "method"]


def load(name: str, n_members: int, seed: int) -> list[dict]:
    """Images, classes and patients of members and of others."""
    with np.load(folder() / "images" / f"{name}.npz") as file:
        X, y, patient = file["X"], file["y"], file["group"]
    # Sizes count patients.
    split = GroupShuffleSplit(
        1, train_size=n_members, test_size=2 * n_members, random_state=seed
    ).split(X, y, patient)
    return [{"X": X[rows], "y": y[rows], "patient": patient[rows]} for rows in next(split)]


def run(name: str, seed: int, method: str, args: argparse.Namespace) -> pd.DataFrame:
    members, others = load(name, args.members, seed)
    schema = declared(members["X"], members["y"])
    n_prototypes = args.per_class * len(schema.outcome.categories)
    condenser = condensers(args, SETS[name], schema, n_prototypes)[METHODS[method]]
    condenser.set_params(random_state=seed)
    if args.experts and method == "HoP-TM":
        condenser.set_params(expert_folder=args.experts / f"{name}_{seed}_{args.members}")
    begin = time.process_time()
    condensed = condenser.condense(members["X"], members["y"], groups=members["patient"])
    fitted = time.process_time()
    groups = {"member_groups": members["patient"], "other_groups": others["patient"]}
    reconstruction = reconstruction_audit(
        condensed, members["X"], others["X"], n_steps=args.steps, n_repeats=args.repeats,
        random_state=seed, **groups,
    )  # fmt: skip
    drawn = time.process_time()
    membership = membership_audit(
        condensed, (members["X"], members["y"]), (others["X"], others["y"]), random_state=seed,
        condenser=None if method in WITHOUT_SHADOWS else condenser, **groups,
    )  # fmt: skip
    closeness = closeness_audit(
        condensed, members["X"], others["X"], train_groups=members["patient"],
        holdout_groups=others["patient"], random_state=seed,
    )  # fmt: skip
    seconds = {
        "fit seconds": fitted - begin,
        "reconstruction seconds": drawn - fitted,
        "other seconds": time.process_time() - drawn,
    }
    parts = {"reconstruction": reconstruction, "membership": membership, "closeness": closeness}
    found = pd.concat(
        [
            part.table.assign(audit=which, evidence=part.has_evidence)
            for which, part in parts.items()
        ]
    )
    is_mute = not reconstruction.has_power
    key = {"set": name, "seed": seed, "method": method}
    return found.assign(**key, **seconds, mute=is_mute).reset_index(drop=True)


def main(args: argparse.Namespace) -> None:
    warnings.simplefilter("ignore")
    output = args.output and args.output / "images.csv"
    found = pd.read_csv(output) if output and output.exists() else pd.DataFrame(columns=CELL)
    done = set(found[CELL].itertuples(index=False, name=None))
    for cell in itertools.product(args.sets, range(args.seeds), args.image_methods or METHODS):
        if cell in done:
            continue
        rows = run(*cell, args)
        found = rows if found.empty else pd.concat([found, rows], ignore_index=True)
        if output:
            found.to_csv(output, index=False)
        print(f"{cell}: {rows.filter(like='seconds').iloc[0].round().to_dict()}", flush=True)
    pd.options.display.width = 250
    for of in (similarities, gaps, attacks):
        print(f"\n{of.__doc__}\n{of(found).to_string(index=False)}")


def similarities(found: pd.DataFrame) -> pd.DataFrame:
    """Reconstructions of members / of others, as the paper has them."""
    own = _drawn(found)
    pair = [f"{a:.4g} / {b:.4g}" for a, b in zip(own["members"], own["others"], strict=True)]
    return _wide(own.assign(value=pair))


def gaps(found: pd.DataFrame) -> pd.DataFrame:
    """By how much members came out better, with 95 % intervals; positive means leak."""
    own = _drawn(found)
    interval = [
        f"{row.difference:+.3g} ({row.low:+.3g} to {row.high:+.3g})" for row in own.itertuples()
    ]
    return _wide(own.assign(value=interval))


def _drawn(found: pd.DataFrame) -> pd.DataFrame:
    """Reconstructions from each method's set, and from the controls that all methods share."""
    own = found[found["audit"] == "reconstruction"].copy()
    is_control = own["target"] != CONDENSED
    own.loc[is_control, "method"] = "control: " + own.loc[is_control, "target"]
    return own.drop_duplicates([*CELL, "measure"])


def _wide(own: pd.DataFrame) -> pd.DataFrame:
    order = own["measure"].unique()
    wide = own.pivot_table("value", CELL, "measure", aggfunc="first", sort=False)
    return wide[order].reset_index()


def attacks(found: pd.DataFrame) -> pd.DataFrame:
    """The strongest attack of each set, and the same attack on both controls."""
    rows = []
    for key, part in found.groupby(CELL, sort=False):
        closeness = part.set_index("audit").loc["closeness"]
        by = part[part["audit"] == "membership"].set_index(["target", "attack"])
        attack = by.loc[CONDENSED]["p_value"].idxmin()
        worst, n_attacks = by.loc[CONDENSED, attack], len(by.loc[CONDENSED])
        rows.append(
            {
                **dict(zip(CELL, key, strict=True)),
                "attack": f"{attack} (of {n_attacks})",
                "area": f"{worst.auc:.3f} ({worst.auc_low:.3f} to {worst.auc_high:.3f})",
                "at 1 %": f"{worst['tpr_at_0.01']:.1%}",
                "p": f"{min(1.0, n_attacks * worst.p_value):.2g}",
                "published rows": round(by.loc[PUBLISHED, attack]["auc"], 3),
                "unrelated rows": round(by.loc[UNRELATED, attack]["auc"], 3),
                "copies": f"{closeness['n_copies']:.0f} / {closeness['n_copies_holdout']:.0f}",
                "nearer": f"{closeness['nearer']:.0%}",
            }
        )
    return pd.DataFrame(rows)
