"""`DiffusionMatchingCondenser`: candidates of a generator, chosen and matched to the real rows."""

import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense._sklearn import StrOptions, at_least, between
from skcondense.base import Prototypes
from skcondense.callbacks import FitProgress
from skcondense.condensers.allocation import allocate
from skcondense.condensers.copies import are_copies
from skcondense.exceptions import PrivacyLeakWarning, TargetError
from skcondense.neural.base import NeuralCondenser, fingerprint, outcomes_of
from skcondense.neural.candidate_features import (
    RealFeatures,
    random_networks,
    trained_network,
)
from skcondense.neural.candidates import (
    SOURCES,
    CandidateSource,
    DiffusionSource,
    FittedSource,
    SourceByInput,
)
from skcondense.neural.checkpoint import Checkpoint
from skcondense.neural.compute import Compute
from skcondense.neural.convnet import ConvNet
from skcondense.neural.distribution import DistributionMatcher
from skcondense.neural.inputs import InputSpace
from skcondense.neural.loop import Matcher
from skcondense.neural.moments import MomentMatcher
from skcondense.neural.problem import MatchingProblem, is_learnable
from skcondense.neural.randomness import torch_generator
from skcondense.neural.selection import Selection, nearest_mean
from skcondense.neural.settings import ByInput, NetworkSettings
from skcondense.neural.synthetic import SyntheticSet
from skcondense.private_table import PrivateTable

__all__ = ["DiffusionMatchingCondenser"]

# Candidates of a stratum at least, and rounds in which copies are replaced by others.
LEAST_CANDIDATES, N_ROUNDS = 64, 3
# Decay of the moving average of the prototypes: the last steps, each under another network, go to
# and fro.
AVERAGING = 0.99
# What a GPU has time for.
LARGE = SourceByInput(
    DiffusionSource(64, 50_000, batch_size=128, learning_rate=2e-4, n_sampling_steps=50)
)


@dataclass(frozen=True)
class _Candidates:
    """Inputs in the order of strata, and how many were drawn and dropped."""

    x: NDArray[Any]
    strata: NDArray[np.intp]
    n_seen: int
    n_copies: int


class DiffusionMatchingCondenser(NeuralCondenser):
    """Draw candidates from a generator, choose the best, and match them to the real rows (DDM).

    A diffusion model learns the images of each stratum and draws candidates. Those that copy a
    real row, or look like another stratum, are dropped; of the others those are chosen whose mean
    is closest to the real mean while they keep a distance from each other. Pixels of the chosen
    are then moved until their features have the mean of the real ones.

    There is no formal privacy in this: a generator may learn rows by heart, the more so the fewer
    there are. Copies are searched for, but what is not found may still give a patient away.

    Strata are classes, bands of a numeric outcome, or censored rows and thirds of event times.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to choose.
    generator : {"auto", "diffusion", "gaussian"} or CandidateSource, default="auto"
        Where candidates come from: "auto" is `SourceByInput`, which takes a `DiffusionSource` for
        100 images or more, and a `GaussianSource` for fewer and for tables.
    n_candidates : int, default=10
        Candidates for each prototype; at least 64 per stratum are drawn.
    extractor : {"random", "trained"} or torch.nn.Module, default="random"
        By which features is chosen and matched: those of random networks, of a network trained on
        the real rows, or of a module of yours that makes features of normalised inputs. Random
        networks are drawn anew for each iteration, and images are augmented, as in
        `DistributionMatchingCondenser`; under the others mean and spread are matched.
    n_networks : int, default=5
        Random networks whose features are joined to choose by.
    assign : {"reject", "relabel"}, default="reject"
        What is done with a candidate whose features are closest to the mean of another stratum: it
        is dropped, or given to that stratum, as in the paper.
    selection : {"herding", "nearest"}, default="herding"
        Which candidate is taken next: the one that brings the mean of those taken closest to the
        real mean, or the one closest to it, as in the paper.
    min_distance : float, default=0.5
        Least distance between two prototypes, in units of the median distance between real rows of
        their stratum. It is relaxed by fifths where too few candidates keep it.
    copy_ratio : float, default=1/3
        A candidate is a copy if the nearest real row is at less than this share of the distance of
        the second nearest, in pixels (codes) or in features. Duplicates of a row count with it.
    network, augmentation, labels, teacher, normalisation, batch_size
        As in `NeuralCondenser`.
    max_iter : int, default=1000
        Iterations in which prototypes are moved.
    optimizer : {"adam", "sgd"}, default="adam"
        As in `NeuralCondenser`.
    learning_rate : float, default=0.05
        In units of normalised inputs for "adam".
    max_time : float, default=None
        Seconds after which prototypes are moved no further; the generator is trained before.
    callback : callable, default=None
        As in `NeuralCondenser`. Training of the generator is the stage "generator".
    checkpoint : str or Path, default=None
        Folder in which the generator, the candidates and the state of the iterations are kept, each
        in a file of its own. It is as private as the rows.
    device, dtype
        As in `NeuralCondenser`.
    allocation, task, schema, subsample, epsilon, delta, ledger, neighbors, random_state
        As in `DatasetCondenser`; `allocation` is "balanced" by default.

    Attributes
    ----------
    X_condensed_, y_condensed_, sample_weight_, prototype_, schema_, task_, real_row_matches_
        As in `RandomCondenser`.
    n_iter_, n_evals_, n_skipped_, n_stored_, n_effective_, recipe_
        As in `DistributionMatchingCondenser`.
    candidates_seen_ : int
        Candidates that were drawn.
    dropped_memorised_ : float
        Share of them that were copies.
    dropped_assigned_ : float
        Share of the others whose features were closest to the mean of another stratum.
    n_returned_ : int
        Prototypes that came to copy a real row while they were moved, and went back to where they
        started.
    tau_ : dict of {int: float}
        Least distance between candidates that was kept in the choice, by stratum.
    history_ : dict of {str: ndarray}
        "loss" per iteration; of a diffusion model also "generator_loss" and, on held-out images,
        "generator_score".

    Notes
    -----
    What is delivered is a moving average of the iterates. The generator is not kept in the fitted
    object: it may hold rows.

    References
    ----------
    Diffusion and distribution matching for medical images (DDM), algorithm 3. What it leaves open,
    and what is done here: ``docs/methods/diffusion_matching.md``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skcondense.neural import DiffusionMatchingCondenser
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> condenser = DiffusionMatchingCondenser(8, max_iter=2, random_state=0)
    >>> condenser.condense(X, y).n_prototypes
    8
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{
            name: allowed
            for name, allowed in NeuralCondenser._parameter_constraints.items()
            if name
            not in {
                "compile", "early_stopping", "factor", "init", "n_iter_no_change",
                "validation_fraction",
            }
        },
        "generator": [StrOptions(set(SOURCES)), CandidateSource],
        "n_candidates": [at_least(1)],
        "extractor": [StrOptions({"random", "trained"}), torch.nn.Module],
        "n_networks": [at_least(1)],
        "assign": [StrOptions({"reject", "relabel"})],
        "selection": [StrOptions({"herding", "nearest"})],
        "min_distance": [between(0, None, "left")],
        "copy_ratio": [between(0, 1, "left")],
    }  # fmt: skip

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {
            "generator": SourceByInput(DiffusionSource(width=16, n_steps=800, learning_rate=2e-3)),
            "n_candidates": 3,
            "n_networks": 3,
            "batch_size": 64,
            "network": ByInput(ConvNet(width=16)),
        },
        "cpu": {"generator": SourceByInput(DiffusionSource(width=16))},
        "gpu": {
            "generator": LARGE,
            "n_candidates": 20,
            "max_iter": 10_000,
            "batch_size": 256,
            "learning_rate": 0.02,
            "network": ByInput(ConvNet(width=128)),
        },
        "paper": {
            "generator": LARGE,
            "n_candidates": 20,
            "max_iter": 200,
            "learning_rate": 0.02,
            "extractor": "trained",
            "network": "resnet18",
            "assign": "relabel",
            "selection": "nearest",
            "copy_ratio": 0.0,
        },
    }

    _not_private_because = (
        "its generator learns from the rows themselves. Use DistributionMatchingCondenser or "
        "MTTCondenser, which ask for noised sums"
    )

    def __init__(
        self,
        n_prototypes: int = 100,
        *,
        generator: Any = "auto",
        n_candidates: int = 10,
        extractor: Any = "random",
        n_networks: int = 5,
        assign: str = "reject",
        selection: str = "herding",
        min_distance: float = 0.5,
        copy_ratio: float = 1 / 3,
        network: Any = "auto",
        augmentation: Any = "auto",
        labels: str = "hard",
        teacher: Any = None,
        normalisation: Any = "fit",
        batch_size: int = 128,
        max_iter: int = 1000,
        optimizer: str = "adam",
        learning_rate: float = 0.05,
        max_time: float | None = None,
        callback: Any = None,
        checkpoint: Any = None,
        device: str = "auto",
        dtype: str = "float32",
        allocation: Any = "balanced",
        task: str = "auto",
        schema: Any = None,
        subsample: int | None = 50_000,
        epsilon: float | None = None,
        delta: float = 1e-5,
        ledger: Any = None,
        neighbors: str = "add_remove",
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_prototypes,
            network=network,
            augmentation=augmentation,
            labels=labels,
            teacher=teacher,
            normalisation=normalisation,
            batch_size=batch_size,
            max_iter=max_iter,
            optimizer=optimizer,
            learning_rate=learning_rate,
            max_time=max_time,
            callback=callback,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
            allocation=allocation,
            task=task,
            schema=schema,
            subsample=subsample,
            epsilon=epsilon,
            delta=delta,
            ledger=ledger,
            neighbors=neighbors,
            random_state=random_state,
        )
        self.generator = generator
        self.n_candidates = n_candidates
        self.extractor = extractor
        self.n_networks = n_networks
        self.assign = assign
        self.selection = selection
        self.min_distance = min_distance
        self.copy_ratio = copy_ratio

    def _condense(self, table: PrivateTable, rng: np.random.Generator) -> Prototypes:
        self._check_extractor(table.task)
        compute = Compute(self.device, self.dtype)
        space = InputSpace(table.encoder, self._normaliser(table), compute)
        settings = self._settings(space, table.task, compute)
        sizes = np.bincount(table.strata, table.weight).astype(np.float64)
        problem = MatchingProblem.of(table, space, compute)
        counts = allocate(self.allocation, self.n_prototypes, table)
        # A stage that is found in its file draws nothing, so each has draws of its own.
        of_source, of_candidates, of_loop, of_labels = rng.spawn(4)
        generator = torch_generator(of_loop)
        features = self._features(problem, settings, generator)
        source = self._fitted_source(table, compute, of_source)
        file = self._candidates_file(table, counts, features) if source.is_complete else None
        candidates = self._candidates(source, table, features, counts, of_candidates, file)
        chosen, facts = self._chosen(candidates, table, features, counts)
        synthetic = SyntheticSet(
            space,
            # A copy: where they started is needed afterwards.
            compute.tensor(chosen).clone().requires_grad_(),
            np.repeat(list(counts), list(counts.values())),
            outcomes_of(table, counts),
        )
        # Random networks that never change are soon met by rows that are unlike under others.
        matcher = (
            self._matcher(problem, settings, generator)
            if isinstance(self.extractor, str) and self.extractor == "random"
            else MomentMatcher(features, generator)
        )
        state = self._checkpoint(synthetic, table, matcher) if source.is_complete else None
        loop = self._loop(synthetic, matcher, generator, state)
        loop.run()
        facts["n_returned_"] = self._return_copies(synthetic, chosen, table, features)
        labels = None
        if self.labels == "teacher":
            labels = self._teacher_labels(synthetic, table, sizes, of_labels)
        found = self._deliver(synthetic, table, sizes, loop, settings, labels)
        found.facts["history_"].update(source.traces())
        found.facts.update(facts)
        found.facts["candidates_seen_"] = candidates.n_seen
        found.facts["dropped_memorised_"] = candidates.n_copies / candidates.n_seen
        return found

    def _matcher(
        self, problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
    ) -> Matcher:
        return DistributionMatcher(problem, settings, generator, self.batch_size, 1)

    def _features(
        self, problem: MatchingProblem, settings: NetworkSettings, generator: torch.Generator
    ) -> RealFeatures:
        if isinstance(self.extractor, torch.nn.Module):
            module = deepcopy(self.extractor).to(
                settings.compute.torch_device, settings.compute.storage
            )
            networks = [module.eval().requires_grad_(False)]
        elif self.extractor == "trained":
            networks = [trained_network(problem, settings, generator)]
        else:
            networks = random_networks(settings, self.n_networks, generator)
        return RealFeatures.of(networks, problem, settings)

    def _check_extractor(self, task: Any) -> None:
        """Refuse training on outcomes for which there is no loss."""
        if (
            isinstance(self.extractor, str)
            and self.extractor == "trained"
            and not is_learnable(task)
        ):
            raise TargetError(
                'extractor="trained" trains a network on outcomes, for which there is a loss for '
                f'classification and regression only. Got task {task.name!r}. Use "random".'
            )

    def _averaging(self) -> float | None:
        return AVERAGING

    def _source(self) -> CandidateSource:
        named = isinstance(self.generator, str)
        source: CandidateSource = SOURCES[self.generator]() if named else self.generator
        return source

    def _cheaper(self) -> dict[str, Any]:
        return {"generator": self._source().shortened()}

    def _planned(self, n_rows: int, is_image: bool) -> dict[str, int]:
        return {"generator": self._source().n_rounds(n_rows, is_image=is_image)}

    def _fitted_source(
        self, table: PrivateTable, compute: Compute, rng: np.random.Generator
    ) -> FittedSource:
        source = self._source()
        checkpoint = None
        if self.checkpoint is not None:
            checkpoint = Checkpoint(
                Path(self.checkpoint) / "generator.npz",
                {
                    "source": repr(source),
                    "learned": "velocity",
                    "data": fingerprint(table),
                    "random_state": repr(self.random_state),
                    "dtype": self.dtype,
                },
            )

        def progress(n_done: int, n_planned: int, loss: float) -> bool:
            told = FitProgress("generator", n_done, n_planned, loss, 0)
            return self.callback is not None and self.callback(told) is True

        return source.fitted(table, compute, rng, checkpoint, progress)

    def _candidates(
        self,
        source: FittedSource,
        table: PrivateTable,
        features: RealFeatures,
        counts: dict[int, int],
        rng: np.random.Generator,
        checkpoint: Checkpoint | None,
    ) -> _Candidates:
        """Draw candidates that are no copies, as legal inputs; or find them in their file."""
        kept = checkpoint.load() if checkpoint is not None else None
        if kept is not None:
            arrays, numbers = kept
            return _Candidates(x=arrays["x"], strata=arrays["strata"], **numbers)
        parts, n_seen, n_copies = [], 0, 0
        for stratum, count in counts.items():
            missing = max(self.n_candidates * count, LEAST_CANDIDATES)
            for _ in range(N_ROUNDS):
                x = features.problem.space.inputs(source.draw(stratum, missing, rng))
                features.problem.space.project(x)
                copies = self._are_copies(x, table, features)
                parts.append((stratum, x[torch.from_numpy(~copies)]))
                n_seen, n_copies = n_seen + len(x), n_copies + int(copies.sum())
                missing = int(copies.sum())
                if not missing:
                    break
            drawn = sum(len(part) for of, part in parts if of == stratum)
            if drawn < count:
                self._allow_copies(features.problem.space, count - drawn)
                parts.append((stratum, x[torch.from_numpy(copies)][: count - drawn]))
        strata = np.repeat([s for s, _ in parts], [len(x) for _, x in parts]).astype(np.intp)
        found = _Candidates(
            torch.cat([x for _, x in parts]).cpu().numpy(), strata, n_seen, n_copies
        )
        if checkpoint is not None:
            checkpoint.save(
                {"x": found.x, "strata": found.strata}, {"n_seen": n_seen, "n_copies": n_copies}
            )
        return found

    def _candidates_file(
        self, table: PrivateTable, counts: dict[int, int], features: RealFeatures
    ) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        settings = {
            **self._same_run(table), "counts": str(counts), "origin": features.origin()
        }  # fmt: skip
        return Checkpoint(Path(self.checkpoint) / "candidates.npz", settings)

    def _state_file(self, checkpoint: Path) -> Path:
        return checkpoint / "iterations.npz"

    def _are_copies(self, x: Any, table: PrivateTable, features: RealFeatures) -> NDArray[np.bool_]:
        """In codes as they would leave, or in features."""
        codes = table.encoder.project(features.problem.space.codes(x))
        ratio, groups = self.copy_ratio, table.groups
        in_codes = are_copies(codes, table.Z, ratio, groups)
        return in_codes | are_copies(features.joint(x), features.real, ratio, groups)

    def _allow_copies(self, space: InputSpace, n_copies: int) -> None:
        """Copies of images are refused; rows of few columns coincide by chance, which is told."""
        if space.is_image:
            raise ValueError(
                f"All candidates but too few copied real images: {n_copies} prototypes are "
                "missing in a stratum. The generator has learned images by heart. Use "
                'generator="gaussian", train it for fewer steps, or ask for fewer prototypes.'
            )
        warnings.warn(
            f"{n_copies} prototypes of a stratum are as close to a real row as a copy would be, "
            "since hardly any candidate was not. Rows of few columns, or few rows, are so by "
            "chance; see real_row_matches_. Ask for fewer prototypes, or lower copy_ratio to say "
            "that this is no concern.",
            PrivacyLeakWarning,
            stacklevel=2,
        )

    def _chosen(
        self,
        candidates: _Candidates,
        table: PrivateTable,
        features: RealFeatures,
        counts: dict[int, int],
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Drop strangers, and choose among the others; inputs in the order of strata."""
        found = features.joint(features.problem.compute.tensor(candidates.x))
        nearest = nearest_mean(found, features.means)
        selection = Selection(self.selection, self.min_distance)
        rows, tau = [], {}
        for stratum, count in counts.items():
            drawn_for = candidates.strata == stratum
            fitting = nearest == stratum
            if self.assign == "reject":
                fitting &= drawn_for
            # Of a stratum that hardly differs from another, too few may be closest to its mean.
            pool = np.flatnonzero(fitting if fitting.sum() >= count else fitting | drawn_for)
            real = features.real[features.positions[stratum]]
            choice = selection.choose(found[pool], real, features.means[stratum], count)
            rows.append(pool[choice.rows])
            tau[stratum] = choice.distance
        strangers = nearest != candidates.strata
        facts = {"tau_": tau, "dropped_assigned_": float(strangers.mean())}
        return candidates.x[np.concatenate(rows)], facts

    def _return_copies(
        self,
        synthetic: SyntheticSet,
        start: NDArray[Any],
        table: PrivateTable,
        features: RealFeatures,
    ) -> int:
        """Take prototypes that came to copy a real row back to where they started."""
        copies = self._are_copies(synthetic.x.detach(), table, features)
        rows = torch.from_numpy(np.flatnonzero(copies))
        synthetic.x.data[rows] = features.problem.compute.tensor(start[copies])
        return len(rows)
