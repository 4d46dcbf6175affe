"""What condensed tables and images give away: audits, with and without epsilon, on real data.

Run: python -m tests.benchmarks.privacy [--of tables images] [--seeds 1] [--output FOLDER]
     [--tables framingham support2_death uci_heart] [--epsilons inf 4 1]
     [--methods cluster zero-order random] [--prototypes 100] [--max-rows 2500] [--n-jobs 2]
     [--sets pneumoniamnist_28 brain_tumor_mri_32] [--image-methods DM GM DDM ...]
     [--members 800] [--per-class 10] [--preset fast] [--steps 500] [--repeats 3]
     [--experts FOLDER]

It writes FOLDER/tables.csv and FOLDER/images.csv; what is done to images is in `privacy_images`.

Half of a table's rows are condensed; the other half is held out for the attackers, and to compare
with. A row per table, epsilon, method and seed: the strongest membership attack on the set and the
same attack on both controls, shares of members found, the cap that the statement sets, copies,
whether an attacker after the patient's sex gains, the lower bound of epsilon, and seconds.
"""

import argparse
import math
import time
import warnings
from pathlib import Path

from joblib import delayed
from sklearn.model_selection import train_test_split

from skcondense.audit import Audit, audit
from skcondense.audit.verdict import CONDENSED, PUBLISHED, UNRELATED
from skcondense.condensed_set import CondensedSet
from tests.benchmarks.data import PEER_TABLES, gather, load
from tests.benchmarks.privacy_utility import condensers, declared

SEX = ("sex", "male", "gender")


def run(name: str, epsilon: float, method: str, seed: int, args: argparse.Namespace) -> list[dict]:
    warnings.simplefilter("ignore")
    X, y = load(name)
    schema = declared(X)
    train_size = min(len(y) // 2, args.max_rows)
    X_in, X_out, y_in, y_out = train_test_split(
        X, y, train_size=train_size, test_size=train_size, stratify=y, random_state=seed
    )
    condenser = condensers(schema, epsilon, seed, args.prototypes).get(method)
    if condenser is None:
        # Real rows cannot be released with epsilon.
        return []
    start = time.perf_counter()
    condensed = condenser.condense(X_in, y_in)
    middle = time.perf_counter()
    sensitive = tuple(column for column in X.columns if column.lower() in SEX)[:1]
    found = audit(
        condensed, (X_in, y_in), (X_out, y_out), condenser=condenser, sensitive=sensitive,
        n_jobs=args.n_jobs, random_state=seed,
    )  # fmt: skip
    seconds = {"fit seconds": middle - start, "audit seconds": time.perf_counter() - middle}
    key = {"table": name, "epsilon": epsilon, "method": method, "seed": seed, "n": train_size}
    row = {**key, **facts(found, condensed, sensitive), **seconds}
    print(row, flush=True)
    return [row]


def facts(found: Audit, condensed: CondensedSet, sensitive: tuple[str, ...]) -> dict:
    """The numbers of the table."""
    membership, closeness = found.parts["membership"], found.parts["closeness"]
    attack, worst = membership.worst
    row = {"strongest": attack, "auc": worst.auc, "low": worst.auc_low, "high": worst.auc_high}
    row |= {f"found at {rate:g}": share for rate, (share, *_) in worst.tpr.items()}
    row |= {"p": membership.p_value}
    row |= {of: membership.scores[of, attack].auc for of in (PUBLISHED, UNRELATED)}
    own = {name: score.auc for (of, name), score in membership.scores.items() if of == CONDENSED}
    row |= {f"auc {name}": auc for name, auc in own.items()}
    row["cap"] = math.nan if condensed.privacy is None else condensed.privacy.caps.auc
    row |= {"copies": closeness.n_copies, "copies of others": closeness.n_copies_holdout}
    if sensitive:
        row["sex found"] = found.parts[f"attribute {sensitive[0]}"].has_evidence
    return {**row, "epsilon at least": found.parts["one run"].epsilon_low}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--of", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, help="folder")
    of_tables = parser.add_argument_group("tables")
    tables = ["framingham", "support2_death", "uci_heart"]
    of_tables.add_argument("--tables", nargs="+", choices=list(PEER_TABLES), default=tables)
    of_tables.add_argument("--epsilons", type=float, nargs="+", default=[math.inf, 4, 1])
    methods = ["cluster", "zero-order", "random", "random, teacher"]
    of_tables.add_argument("--methods", nargs="+", choices=methods, default=methods[:3])
    of_tables.add_argument("--prototypes", type=int, default=100)
    of_tables.add_argument("--max-rows", type=int, default=2500, help="rows that are condensed")
    of_tables.add_argument("--n-jobs", type=int, default=2)
    of_images = parser.add_argument_group("images")
    sets = ["pneumoniamnist_28", "brain_tumor_mri_32"]
    of_images.add_argument("--sets", nargs="+", default=sets)
    of_images.add_argument("--image-methods", nargs="+", help="all, unless given")
    of_images.add_argument("--members", type=int, default=800, help="patients")
    of_images.add_argument("--per-class", type=int, default=10)
    of_images.add_argument("--preset", default="fast")
    of_images.add_argument("--steps", type=int, default=500, help="of an autoencoder")
    of_images.add_argument("--repeats", type=int, default=3, help="autoencoders per set")
    of_images.add_argument("--experts", type=Path, help="folder in which experts are kept")
    args = parser.parse_args()
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
    for part in args.of:
        PARTS[part](args)


def audit_tables(args: argparse.Namespace) -> None:
    jobs = (
        delayed(run)(name, epsilon, method, seed, args)
        for seed in range(args.seeds)
        for method in args.methods
        for name in args.tables
        for epsilon in args.epsilons
    )
    table = gather(jobs, 1, args.output and args.output / "tables.csv")
    print(table.to_string(index=False))


def audit_images(args: argparse.Namespace) -> None:
    # Tables need no torch.
    from tests.benchmarks import privacy_images

    privacy_images.main(args)


PARTS = {"tables": audit_tables, "images": audit_images}


if __name__ == "__main__":
    main()
