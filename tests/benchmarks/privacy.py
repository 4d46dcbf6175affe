"""What condensed tables give away: all audits, with and without epsilon, on real tables.

Run: python -m tests.benchmarks.privacy [--tables framingham support2_death uci_heart]
     [--epsilons inf 4 1] [--methods cluster zero-order random] [--prototypes 100] [--seeds 1]
     [--max-rows 2500] [--n-jobs 2] [--output out.csv]

Half of the rows are condensed; the other half is held out for the attackers, and to compare with.
A row per table, epsilon, method and seed: the strongest membership attack on the set and the same
attack on both controls, shares of members found, the cap that the statement sets, copies, whether
an attacker after the patient's sex gains, the lower bound of epsilon, and the audit's seconds.
"""

import argparse
import math
import time
import warnings
from pathlib import Path

from joblib import delayed
from sklearn.model_selection import train_test_split

from skcondense.audit import Audit, audit
from skcondense.audit.membership import CONDENSED, PUBLISHED, UNRELATED
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
    tables = ["framingham", "support2_death", "uci_heart"]
    parser.add_argument("--tables", nargs="+", choices=list(PEER_TABLES), default=tables)
    parser.add_argument("--epsilons", type=float, nargs="+", default=[math.inf, 4, 1])
    methods = ["cluster", "zero-order", "random", "random, teacher"]
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods[:3])
    parser.add_argument("--prototypes", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--max-rows", type=int, default=2500, help="rows that are condensed")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    jobs = (
        delayed(run)(name, epsilon, method, seed, args)
        for seed in range(args.seeds)
        for method in args.methods
        for name in args.tables
        for epsilon in args.epsilons
    )
    table = gather(jobs, 1, args.output)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
