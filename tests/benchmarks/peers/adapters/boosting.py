"""DP-EBM of interpret: numbers with public bounds, all other columns as nominal codes."""

from exchange import serve
from interpret.privacy import DPExplainableBoostingClassifier
from pandas import DataFrame


def fit(config, train, test):
    y = train.pop("target")
    bounds = {column: tuple(ends) for column, ends in config["bounds"].items()}
    model = DPExplainableBoostingClassifier(
        epsilon=config["epsilon"],
        delta=config["delta"],
        feature_types=["continuous" if c in bounds else "nominal" for c in train],
        privacy_bounds=bounds,
        n_jobs=1,
        random_state=config["seed"],
    )
    model.fit(train, y)
    return {"probabilities": DataFrame({"p": model.predict_proba(test)[:, 1]})}


if __name__ == "__main__":
    serve(fit)
