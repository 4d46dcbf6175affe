"""The published methods of trajectory matching, by their recipes and settings."""

from typing import Any, ClassVar

from skcondense.neural.experts import ExpertTraining, FlatDescent
from skcondense.neural.path_loss import (
    ClosestStep,
    MeanOfRatios,
    MiddleAngle,
    RankMask,
    ThresholdMask,
    TriangleAngles,
)
from skcondense.neural.segments import BezierPath, SnapshotPath, StartRange
from skcondense.neural.trajectory import TrajectoryMatchingCondenser
from skcondense.neural.trajectory_matcher import TrajectoryRecipe

__all__ = [
    "ATTCondenser",
    "BezierTrajectoryCondenser",
    "DATMCondenser",
    "FTDCondenser",
    "HoPTMCondenser",
    "MTTCondenser",
]

PRESETS = TrajectoryMatchingCondenser.PRESETS


class MTTCondenser(TrajectoryMatchingCondenser):
    """Trajectory matching as first published (MTT).

    The student's last step is compared with the target, over all weights.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    **parameters
        As in `TrajectoryMatchingCondenser`. The preset "paper" is that of ten images per class.

    References
    ----------
    Cazenavette, Wang, Torralba, Efros and Zhu (2022), Dataset distillation by matching training
    trajectories, CVPR, arXiv:2203.11932.
    """


class FTDCondenser(TrajectoryMatchingCondenser):
    """Trajectory matching with flat experts and averaged rows (FTD).

    Experts step so that their loss stays flat around them (GSAM), and a moving average of the
    rows is delivered. While there were fewer than about 20,000 iterations it averages over the last
    tenth of them, since an average of decay 0.9995 would still hang on the start.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    **parameters
        As in `TrajectoryMatchingCondenser`. The preset "paper" is that of ten images per class.

    References
    ----------
    Du, Jiang, Tan, Zhou and Li (2023), Minimizing the accumulated trajectory error to improve
    dataset distillation, CVPR, arXiv:2211.11004.
    """

    RECIPE = TrajectoryRecipe(descent=FlatDescent(), averaging=0.9995)


class DATMCondenser(TrajectoryMatchingCondenser):
    """Trajectory matching with learned labels and starts that grow harder (DATM).

    Labels are learned beside the rows; students start early on the experts' paths at first and
    ever later meanwhile; experts are flat. Students whose loss is above 1.1 (they ended farther
    away than they started) change nothing.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    **parameters
        As in `TrajectoryMatchingCondenser`. The preset "paper" is that of ten images per class.

    References
    ----------
    Guo, Wang, Cazenavette, Li, Zhang and You (2024), Towards lossless dataset distillation via
    difficulty-aligned trajectory matching, ICLR, arXiv:2310.05773.
    """

    RECIPE = TrajectoryRecipe(
        descent=FlatDescent(),
        path=SnapshotPath(StartRange(grow_from=0.5, grow_until=0.1)),
        labels="learned",
        largest_loss=1.1,
    )

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        **PRESETS,
        "paper": {
            **PRESETS["paper"],
            "max_iter": 10_000,
            "n_student_steps": 80,
            "init": "correct",
            "step_length": 0.01,
            "label_rate": 2.0,
        },
    }


class ATTCondenser(TrajectoryMatchingCondenser):
    """Trajectory matching at the student's closest step (ATT).

    Of the student's steps the one closest to the target is compared with it, and only the steps
    up to it are derived. Averaged rows are delivered, as in `FTDCondenser`.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    **parameters
        As in `TrajectoryMatchingCondenser`. The preset "paper" is that of ten images per class, of
        60,000 iterations.

    Notes
    -----
    Closeness is the squared distance, as in the paper; the released code takes the sum of absolute
    differences.

    References
    ----------
    Liu, Gu, Cao, Huang, Hu, Xu and Yang (2024), Dataset distillation by automatic training
    trajectories, ECCV, arXiv:2407.14245.
    """

    RECIPE = TrajectoryRecipe(step=ClosestStep(), averaging=0.9995)

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        **PRESETS,
        "paper": {
            **PRESETS["paper"],
            "max_iter": 60_000,
            "learning_rate": 1e4,
            "step_length": 0.01,
            "experts": ExpertTraining(100, 22, None, batch_size=512),
        },
    }


# Settings for PathMNIST with at most ten images per class.
PATH_MNIST = {
    **PRESETS["paper"],
    "max_iter": 10_000,
    "n_student_steps": 80,
    "experts": ExpertTraining(100, 5, None, batch_size=256),
    "batch_size": 10,
    "learning_rate": 10.0,
    "step_length": 0.01,
}


class HoPTMCondenser(TrajectoryMatchingCondenser):
    """Trajectory matching of high order, from easy weights to complex ones (HoP-TM).

    Beside the student's last step, the angles of the triangle of start, middle and end are
    matched; and weights are matched in the order of how easy they are. Experts are flat.

    The paper and its released code differ, and neither is safe from empty masks and other
    accidents ([details](../methods/trajectory_matching.md)), so there are three readings:

    ==========  ================================  ==================  ===========================
    preset      weights                           data term           shape
    ==========  ================================  ==================  ===========================
    "robust"    the easiest 30 %, growing to all  ratio of sums       three angles, of weight 2/27
    "released"  error below a threshold, once     ratio of sums       three angles, of weight 2/27
                and for ever
    "paper"     ratio below a threshold           mean of ratios      the angle in the middle
    ==========  ================================  ==================  ===========================

    "robust" is what the class does by default, and has the sizes of "cpu"; the other two have the
    published sizes.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    **parameters
        As in `TrajectoryMatchingCondenser`.

    Notes
    -----
    The published thresholds, from 5e-9 on, are squared differences of weights and cannot be
    ratios, which the text says they are; "paper" starts at a ratio of 0.1.

    References
    ----------
    HoP-TM, High-order progressive trajectory matching for medical image dataset distillation.
    """

    RECIPE = TrajectoryRecipe(descent=FlatDescent(), mask=RankMask(), shape=TriangleAngles())

    RELEASED = TrajectoryRecipe(
        descent=FlatDescent(),
        mask=ThresholdMask(5e-9, 1.5, sticky=True),
        shape=TriangleAngles(),
    )

    AS_WRITTEN = TrajectoryRecipe(
        descent=FlatDescent(),
        distance=MeanOfRatios(),
        mask=ThresholdMask(0.1, 1.5),
        shape=MiddleAngle(),
    )

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        **PRESETS,
        "robust": PRESETS["cpu"],
        "released": {**PATH_MNIST, "recipe": RELEASED},
        "paper": {**PATH_MNIST, "recipe": AS_WRITTEN},
    }


class BezierTrajectoryCondenser(TrajectoryMatchingCondenser):
    """Trajectory matching along smooth curves (BTM).

    Experts are replaced by quadratic Bezier curves from their start to their end, along which the
    loss of real rows is small. Three vectors are kept of each, and targets are free of the noise
    of an expert's steps, which suits tables and rare classes. `n_expert_snapshots` has no
    meaning here: the path of the recipe says how long stretches are.

    Parameters
    ----------
    n_prototypes : int, default=100
        Rows (images) to learn.
    **parameters
        As in `TrajectoryMatchingCondenser`.

    Notes
    -----
    Only the abstracts of the papers were at hand; the preset "paper" takes MTT's sizes.

    References
    ----------
    arXiv:2510.05805, arXiv:2604.21638 (Bezier trajectory matching).
    """

    RECIPE = TrajectoryRecipe(path=BezierPath())

    _not_private_because = (
        "its curves are fitted to real rows. Use another method of trajectory matching"
    )
