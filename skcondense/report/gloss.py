"""Words of the field in plain ones, for readers of a release."""

from skcondense.report.document import Terms

__all__ = ["glossary_for"]

# By term: other forms under which it occurs, and what it means.
GLOSSES = {
    "Attack, audit": (
        ("attack", "audit"),
        "An audit attacks a set before somebody else does, with real rows at hand to see whether "
        "the attack was right. It can show that a set leaks. It can never show that it does not.",
    ),
    "AUROC": (
        (),
        "The probability that a model gives a patient with the outcome a higher risk than a "
        "patient without it. 0.5 is guessing, 1 is perfect. It does not say whether the risks "
        "themselves are right (see calibration).",
    ),
    "Area under the ROC curve": (
        ("area",),
        "Here mostly of an attack: the probability that it suspects a patient who was in the "
        "table more than one who was not. 0.5 is guessing, 1 is certainty. The ROC curve shows, "
        "for every number of people wrongly accused, how many are accused rightly.",
    ),
    "Attribute": (
        (),
        "A column that somebody might want to learn of a patient, such as a diagnosis.",
    ),
    "Autoencoder": (
        (),
        "A neural network that learns to draw its input again.",
    ),
    "C-index": (
        (),
        "Of pairs of patients where it is known who had the event first, the share in which the "
        "model gave that one the higher risk. 0.5 is guessing, 1 is perfect.",
    ),
    "Calibration": (
        ("calibrat",),
        "Whether risks can be taken at their word: of patients with a predicted risk of 20 %, 20 % "
        "should have the outcome.",
    ),
    "Cluster means": (
        ("cluster mean",),
        "A simple way to condense: patients are divided into groups that are alike, and each "
        "group is replaced by its mean.",
    ),
    "Condensed set": (
        ("condens",),
        "A small table of made-up rows with outcomes and weights, on which models are trained in "
        "place of the real table. It is not a sample of patients.",
    ),
    "Copy": (
        ("copies",),
        "A made-up row that lies much closer to one patient's row than to any other's.",
    ),
    "Delta": (
        (),
        "The slack in the promise of differential privacy: a small probability that may be added "
        "to what epsilon allows. It should be far below 1 divided by the number of patients.",
    ),
    "Differential privacy": (
        ("differentially private",),
        "A promise about a procedure: what comes out is almost as likely whether or not any one "
        "patient's data went in. It holds against every attacker, whatever else they know.",
    ),
    "DOMIAS, nearest, nearest ratio, loss, RMIA, LiRA": (
        ("domias", "nearest", "rmia", "lira"),
        "Attacks that guess who was in the table. The first three ask whether a patient lies "
        "closer to the made-up rows than to be expected; 'loss' whether a model trained on the set "
        "predicts the patient too well; the last two do the same beside sets that were made with "
        "and without the patient.",
    ),
    "Epsilon": (
        (),
        "How much one patient's data can change what comes out; smaller is stricter. For epsilon = "
        "1 an outcome is at most 2.7 times as likely with the patient as without (e^epsilon, e = "
        "2.718), but for the slack of delta.",
    ),
    "False alarm": (
        ("false alarm", "false accusation"),
        "Somebody whom an attack takes for a patient of the table, and who was not in it.",
    ),
    "Fit": (
        (),
        "One run of a method on a table.",
    ),
    "Held-out rows": (
        ("held out",),
        "Real patients that neither the set nor the models have seen. Only scores on them count.",
    ),
    "Interval": (
        (),
        "The range that goes with a measured number. Ranges made in this way contain the true "
        "number in about 95 of 100 studies.",
    ),
    "Ledger": (
        (),
        "The file that records every question to a table before it is answered, so that several "
        "releases about the same patients can be added up.",
    ),
    "Member, membership": (
        ("member",),
        "A member is a patient who was in the real table. Telling whether somebody is a member can "
        "do harm by itself: if all patients of the table have a disease, members have it.",
    ),
    "mu-GDP": (
        ("gdp",),
        "The promise of differential privacy in one number, from which epsilon follows for every "
        "delta: telling whether the patient is in the table is as hard as telling two bell curves "
        "apart whose centres are mu standard deviations apart, from one draw.",
    ),
    "p": (
        ("(p = ",),
        "The probability that chance alone gives a result at least as strong. Below 0.05 it is "
        "called evidence here.",
    ),
    "Prototype": (
        (),
        "One made-up patient. It may be spread over several rows with equal columns, one for each "
        "outcome, which share its weight (a soft label: 80 % of such patients live, 20 % die).",
    ),
    "PSNR, NCC, FSIM, EMD, SSIM, LPIPS": (
        ("psnr", "fsim", "ssim", "emd", "ncc", "lpips"),
        "Measures of how alike two images are.",
    ),
    "R2": (
        (),
        "Share of the differences between patients' outcomes that a model explains. 1 is perfect, "
        "0 is predicting the mean for everybody.",
    ),
    "Reconstruction": (
        (),
        "Recovering patients' records or images, in part or whole, from what was released.",
    ),
    "Reference rows": (
        (),
        "Real rows, of patients who were not in the table, that an attacker already has.",
    ),
    "Shadow": (
        ("shadow", "rmia", "lira"),
        "A set that an attacker makes with and without a given patient, to learn what difference "
        "the patient makes.",
    ),
    "Schema": (
        (),
        "The list of columns with what each may hold: limits, categories, units.",
    ),
    "SHA-256, fingerprint": (
        ("sha-256", "fingerprint"),
        "A number that is computed from all bytes of a file. If a single letter changes, so does "
        "the number.",
    ),
    "Subgroup": (
        (),
        "Patients who share something, such as a sex, an age band or a hospital.",
    ),
    "Weight": (
        (),
        "How many real patients a row stands for.",
    ),
}  # fmt: skip


def glossary_for(text: str) -> Terms:
    """Explain the words that occur in a text.

    Parameters
    ----------
    text : str
        All that is said elsewhere.

    Returns
    -------
    Terms
        In alphabetical order.
    """
    said = text.lower()
    pairs = [
        (term, gloss)
        for term, (forms, gloss) in GLOSSES.items()
        if any(form in said for form in forms or (term.lower(),))
    ]
    return Terms(tuple(sorted(pairs, key=lambda pair: pair[0].lower())))
