"""What models trained on a sample are worth on held-out rows."""

import numpy as np
from scipy.special import logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from skcondense.tasks import fit_weighted

# Probabilities of zero and one, as trees give, have no logit.
CLIP = 1e-3


def score(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    return {
        "auroc": roc_auc_score(y, p),
        "auprc": average_precision_score(y, p),
        "brier": brier_score_loss(y, p),
        "calibration_slope": _slope(y, p),
    }


def _slope(y: np.ndarray, p: np.ndarray) -> float:
    """Slope of a logistic regression of outcomes on logits: 1 is calibrated, less overconfident."""
    x = logit(np.clip(p, CLIP, 1 - CLIP))[:, np.newaxis]
    return float(LogisticRegression(C=1e6).fit(x, y).coef_[0, 0])


def train_and_score(models: dict, train, test) -> dict[str, dict[str, float]]:
    """Metrics by model; `train` is features, outcomes and weights."""
    X_test, y_test = test
    fitted = {name: fit_weighted(clone(model), *train) for name, model in models.items()}
    return {
        name: score(y_test, model.predict_proba(X_test)[:, 1]) for name, model in fitted.items()
    }
