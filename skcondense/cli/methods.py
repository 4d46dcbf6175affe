"""Methods by their names on the command line, and the options that belong to them."""

import argparse
import inspect
import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skcondense import DatasetCondenser
from skcondense.base import CIRCUMSTANCES, method_of
from skcondense.cli.messages import UsageError
from skcondense.cli.options import add_models, add_seed

__all__ = [
    "add_method",
    "check_takes_images",
    "condenser_class",
    "differing_settings",
    "make_condenser",
]

CLASSICAL = {
    "zero-order": "ZeroOrderCondenser",
    "cluster": "ClusterCondenser",
    "herding": "HerdingCondenser",
    "random": "RandomCondenser",
}
NEURAL = {
    "distribution-matching": "DistributionMatchingCondenser",
    "gradient-matching": "GradientMatchingCondenser",
    "improved-distribution-matching": "ImprovedDistributionMatchingCondenser",
    "kernel-inducing-points": "KernelInducingPointsCondenser",
    "mtt": "MTTCondenser",
    "ftd": "FTDCondenser",
    "datm": "DATMCondenser",
    "att": "ATTCondenser",
    "hop-tm": "HoPTMCondenser",
    "bezier-trajectory": "BezierTrajectoryCondenser",
    "diffusion-matching": "DiffusionMatchingCondenser",
}
# Options that set a parameter of the same name of whichever method has it.
PARAMETERS: Mapping[str, dict[str, Any]] = {
    "n_prototypes": {"type": int, "help": "synthetic rows (images); 100 by default"},
    "allocation": {"choices": ("proportional", "balanced"), "help": "how classes share them"},
    "task": {"choices": ("auto", "classification", "regression", "survival")},
    "subsample": {"type": int, "help": "largest number of rows to work on; 50000 by default"},
    "labels": {"help": "hard, mean or teacher (soft labels)"},
    "init": {"help": "where prototypes start"},
    "max_iter": {"type": int, "help": "rounds"},
    "n_candidates": {"type": int, "help": "sets to choose the start from"},
    "n_exchanges": {"type": int, "help": "rounds of exchanges"},
    "batch_size": {"type": int, "help": "real rows per step"},
    "learning_rate": {"type": float, "help": "length of a step"},
    "n_jobs": {"type": int, "help": "processes; -1 for all cores"},
    "network": {"help": "convnet, mlp, residual_mlp, resnet18, vgg11 or alexnet"},
    "augmentation": {"help": "none, dsa, digits, medical, chest_xray or histology"},
    "max_time": {"type": float, "help": "seconds after which to stop"},
    "checkpoint": {"type": Path, "help": "file to go on from"},
    "expert_folder": {"type": Path, "help": "folder that keeps experts for later fits"},
    "device": {"help": "cpu, cuda, or auto"},
}
# Where and how quickly a set is made changes nothing in it.
DO_NOT_MATTER = frozenset({"n_jobs", "max_time", "device", "task"})
PRIVATE: Mapping[str, dict[str, Any]] = {
    "epsilon": {"type": float, "help": "differential privacy; needs --schema"},
    "delta": {"type": float, "help": "far below one in the number of patients; 1e-5 by default"},
    "neighbors": {"choices": ("add_remove", "replace"), "help": "add_remove by default"},
    "ledger": {"type": Path, "help": "file in which all spends are counted"},
}


def _offered() -> list[str]:
    """Methods that can be used with what is installed."""
    return [*CLASSICAL, *(NEURAL if find_spec("torch") is not None else ())]


def add_method(command: argparse.ArgumentParser) -> None:
    """Add the method and its parameters."""
    group = command.add_argument_group(
        "method", "a parameter that the method does not take is an error"
    )
    group.add_argument(
        "--method",
        choices=(*CLASSICAL, *NEURAL),
        metavar="NAME",
        default="zero-order",
        help=f"{', '.join(_offered())}"
        + ("" if find_spec("torch") else "; neural methods need torch (skcondense[neural])"),
    )
    group.add_argument("--preset", metavar="NAME", help="fast, cpu, gpu or paper (neural methods)")
    add_models(group)
    _add(group, PARAMETERS)
    add_seed(group)
    private = command.add_argument_group("privacy", "without epsilon nothing is promised")
    _add(private, PRIVATE)
    private.add_argument("--budget", type=float, help="largest epsilon of a new ledger")


def _add(group: Any, parameters: Mapping[str, dict[str, Any]]) -> None:
    for name, settings in parameters.items():
        shown = {} if "choices" in settings else {"metavar": _metavar(settings)}
        group.add_argument(f"--{name.replace('_', '-')}", **shown, **settings)


def _metavar(settings: dict[str, Any]) -> str:
    return {int: "N", float: "X", Path: "PATH"}.get(settings.get("type", str), "NAME")


def condenser_class(name: str) -> type[DatasetCondenser]:
    """The class of a method.

    Raises
    ------
    ImportError
        If it needs torch, and torch is not installed.
    """
    is_neural = name in NEURAL
    room = import_module("skcondense.neural" if is_neural else "skcondense")
    found: type[DatasetCondenser] = getattr(room, (NEURAL if is_neural else CLASSICAL)[name])
    return found


def check_takes_images(name: str) -> None:
    """Refuse a method that is for tables only."""
    if not condenser_class(name)._takes_images:
        classical = [other for other in CLASSICAL if condenser_class(other)._takes_images]
        raise UsageError(
            f"--method {name} is for tables. For images use one of "
            f"{', '.join([*classical, *NEURAL])}."
        )


def _given_parameters(args: argparse.Namespace) -> dict[str, Any]:
    """Parameters that were set, all but the ledger, which is a file and no object yet."""
    names = [*PARAMETERS, *PRIVATE, "random_state"]
    given = {name: getattr(args, name) for name in names if name != "ledger"}
    return {name: value for name, value in given.items() if value is not None}


def make_condenser(args: argparse.Namespace, **built: Any) -> DatasetCondenser:
    """The condenser that the options ask for.

    Parameters
    ----------
    args : Namespace
        Options.
    **built
        Further parameters, built from files.

    Raises
    ------
    UsageError
        If the method does not take an option that was given.
    """
    kind: Any = condenser_class(args.method)
    given = _given_parameters(args)
    taken = inspect.signature(kind).parameters
    foreign = [f"--{name.replace('_', '-')}" for name in given if name not in taken]
    if args.estimators is not None and "estimator" not in taken:
        foreign.append("--estimators")
    if args.preset is not None and not hasattr(kind, "preset"):
        foreign.append("--preset")
    if foreign:
        possible = [name for name in (*PARAMETERS, *PRIVATE) if name in taken]
        raise UsageError(
            f"--method {args.method} does not take {', '.join(foreign)}. It takes "
            f"{', '.join('--' + name.replace('_', '-') for name in possible)}."
        )
    if args.preset is None:
        return kind(**given, **built)
    chosen: DatasetCondenser = kind.preset(args.preset, **given, **built)
    return chosen


def differing_settings(condenser: DatasetCondenser, method: str) -> list[str]:
    """Options of a condenser that are not those of a set.

    Parameters
    ----------
    condenser : DatasetCondenser
        What the options ask for.
    method : str
        How the set was made, as `CondensedSet.method` has it.

    Returns
    -------
    list of str
        Names; "method" first.
    """
    own = method_of(condenser)
    found = [] if own.partition("(")[0] == method.partition("(")[0] else ["method"]
    for name in {**PARAMETERS, **PRIVATE}.keys() - CIRCUMSTANCES - DO_NOT_MATTER:
        said = [re.search(rf"\b{name}=([^,()]+)", text) for text in (own, method)]
        if len({match and match[1] for match in said}) > 1:
            found.append(name)
    return sorted(found, key=lambda name: (name != "method", name))
