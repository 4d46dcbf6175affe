"""MST, AIM and PrivBayes of dpmm, on a table of bins that follow from the public schema."""

from dpmm.pipelines import AIMPipeline, MSTPipeline, PrivBayesPipeline
from exchange import serve

PIPELINES = {"MST": MSTPipeline, "AIM": AIMPipeline, "PrivBayes": PrivBayesPipeline}


def synthesise(config, train, test):
    pipeline = PIPELINES[config["method"]](
        epsilon=config["epsilon"],
        delta=config["delta"],
        # Without a limit AIM's model may outgrow any memory.
        max_model_size=config["max_model_mb"],
        # The table arrives in public bins: no budget goes to finding them.
        disable_processing=True,
        n_jobs=1,
    )
    pipeline.fit(train, domain=config["sizes"], random_state=config["seed"])
    return {name: pipeline.generate(n_records=n) for name, n in config["samples"].items()}


if __name__ == "__main__":
    serve(synthesise)
