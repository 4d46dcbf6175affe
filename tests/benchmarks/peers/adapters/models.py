"""Private models of diffprivlib, on rows encoded within public bounds."""

from diffprivlib.models import LogisticRegression, RandomForestClassifier
from exchange import serve
from pandas import DataFrame


def fit(config, train, test):
    y = train.pop("target")
    epsilon, seed = config["epsilon"], config["seed"]
    if config["method"] == "DP logistic":
        model = LogisticRegression(
            epsilon=epsilon, data_norm=config["norm"], max_iter=1000, random_state=seed
        )
    else:
        model = RandomForestClassifier(
            epsilon=epsilon,
            bounds=(config["lower"], config["upper"]),
            classes=[0, 1],
            random_state=seed,
        )
    model.fit(train.to_numpy(), y.to_numpy())
    return {"probabilities": DataFrame({"p": model.predict_proba(test.to_numpy())[:, 1]})}


if __name__ == "__main__":
    serve(fit)
