"""What a statement promises, for readers who never heard of differential privacy."""

import math
from dataclasses import dataclass

from skcondense.privacy import PrivacyLedger, PrivacyStatement, Spend, compose, epsilon_of
from skcondense.report.document import Block, Bullets, Heading, Notice, Paragraph, Table

__all__ = [
    "LedgerExtract",
    "is_delta_large",
    "no_promise",
    "percent_up",
    "promise",
    "right_accusations",
]

# People of either kind in the thought experiment.
PEOPLE = 1000
# From this share on, an accusation is close enough to certain that epsilon alone protects little.
ALMOST_CERTAIN = 0.95
LARGE_EPSILON = 21.0

WITHOUT = {
    "add_remove": "had not been in the table",
    "replace": "had been exchanged for another",
}
# Rows of one patient, and members of one family, for whom a promise is worked out as an example.
SEVERAL = 5
NOTHING_PROMISED = (
    "There is no privacy statement. Nothing bounds what a clever reader may learn about a patient."
)


@dataclass(frozen=True)
class LedgerExtract:
    """What a ledger says about one fit, and in total.

    Attributes
    ----------
    spends : tuple of Spend
        Those of the fit, as the ledger counts them.
    n_spends, n_fits : int
        Of the whole ledger.
    epsilon, delta : float
        Of all spends of the ledger together.
    neighbors : str
        Which tables count as neighbours.
    """

    spends: tuple[Spend, ...]
    n_spends: int
    n_fits: int
    epsilon: float
    delta: float
    neighbors: str

    @classmethod
    def of(cls, ledger: PrivacyLedger, statement: PrivacyStatement) -> "LedgerExtract":
        """Read a ledger once."""
        spends, terms = ledger.spends, ledger.terms
        runs = {spend.run for spend in statement.spends}
        total = compose(spend.mu for spend in spends)
        return cls(
            spends=tuple(spend for spend in spends if spend.run in runs),
            n_spends=len(spends),
            n_fits=len({spend.run for spend in spends}),
            epsilon=epsilon_of(total, terms.delta),
            delta=terms.delta,
            neighbors=terms.neighbors,
        )


def right_accusations(epsilon: float) -> float:
    """Largest share of right accusations among people of whom half are in the table.

    Parameters
    ----------
    epsilon : float
        With delta = 0, no rule accuses members more than e^epsilon times as often as others.

    Returns
    -------
    float
        e^epsilon / (1 + e^epsilon).
    """
    return 1 / (1 + math.exp(-epsilon))


def percent_up(share: float) -> str:
    """Percent, rounded up in the attacker's favour.

    Parameters
    ----------
    share : float
        Between 0 and 1.

    Returns
    -------
    str
        With as many decimals as it takes to stay below 100, which would be certainty.
    """
    digits = 0 if share <= 0.99 else math.ceil(-math.log10(max(1 - share, 1e-12)))
    step = 10.0**digits
    return f"{math.ceil(100 * share * step) / step:.{digits}f}"


def no_promise() -> list[Block]:
    """Say what it means that there is no statement."""
    return [
        Notice(NOTHING_PROMISED),
        Paragraph(
            "The rows are not patients' rows unless this page says so, but that alone protects "
            "nobody: they were computed from real rows without added noise, and sets like this one "
            "have been attacked with success. Attacks that find nothing (see Risks) do not replace "
            "a promise. Treat this folder as you would treat the real table: share it only with "
            "people who may see patient data, or make it again with epsilon."
        ),
    ]


def promise(
    statement: PrivacyStatement, ledger: LedgerExtract | None, n_rows: float
) -> list[Block]:
    """Explain a statement.

    Parameters
    ----------
    statement : PrivacyStatement
        The promise.
    ledger : LedgerExtract or None
        What else was asked about the same patients.
    n_rows : float
        About how many rows the table had, by the noised count that the weights sum to.

    Returns
    -------
    list of Block
    """
    exact: list[Block] = [Heading("The exact statement"), Bullets(statement.sentences)]
    if not statement.is_releasable:
        return [Notice("Nothing is promised: the noise of this fit can be repeated."), *exact]
    unit = statement.unit
    return [
        Paragraph(
            "This set is differentially private. That is a promise about how it was made, and it "
            "is proved and not merely tested: the set would have come out almost as likely if the "
            f"data of any one {unit} {WITHOUT[statement.neighbors]}. So whatever somebody "
            f"concludes from it about one {unit}, they could have concluded almost as well "
            "without that data."
        ),
        Paragraph(
            f"How: the table was asked {len(statement.spends)} questions, such as how many "
            "patients have a value in a certain range. Random noise was added to each answer, and "
            "only the noised answers were used to make rows, outcomes and weights."
        ),
        Paragraph(f"Who is protected (the privacy unit): {_protected(statement)}"),
        Heading("What an attacker can do at best"),
        Paragraph(
            f"Suppose {PEOPLE:,} people whose data were in the table and {PEOPLE:,} similar people "
            "whose data were not. Somebody who has this set, knows everything else about all of "
            "them and owns any computer wants to tell who is who. These limits hold, on average "
            "over the noise, for whatever they try; one attack on few people may come out above "
            "them by luck:"
        ),
        _limits(statement),
        Heading("Epsilon and delta"),
        *_epsilon_and_delta(statement, n_rows),
        Heading("What is not covered"),
        Bullets((*_not_covered(statement), _others(ledger))),
        *exact,
    ]


def _limits(statement: PrivacyStatement) -> Table:
    caps = statement.caps
    right = math.ceil(PEOPLE * (1 + caps.advantage))
    found = math.ceil(PEOPLE * caps.tpr_at_1_percent_fpr)
    wrong = PEOPLE // 100
    return Table(
        caption="Limits on finding out who was in the table (rounded in the attacker's favour)",
        head=("what the attacker wants", "by guessing", "with this set, at most"),
        rows=(
            (
                f"sort all {2 * PEOPLE:,} people: right answers",
                f"{PEOPLE:,}",
                f"{min(right, 2 * PEOPLE):,}",
            ),
            (
                f"accuse only when nearly sure: members found while {wrong} of the {PEOPLE:,} "
                "others are accused wrongly",
                f"{wrong}",
                f"{min(found, PEOPLE):,}",
            ),
        ),
    )


def _epsilon_and_delta(statement: PrivacyStatement, n_rows: float) -> list[Block]:
    epsilon, delta = statement.epsilon, statement.delta
    right = right_accusations(epsilon)
    text = (
        f"Epsilon = {epsilon:.4g}; smaller is stricter. Whatever rule an attacker follows to "
        f"accuse people, it accuses a given {statement.unit} at most {_times(epsilon)} "
        "times as often if the data are in the table as if they are not, apart from the slack "
        "called delta. Where it was even odds before (50:50), at most "
        f"{percent_up(right)} in 100 of its accusations are right, if it accuses often enough for "
        "delta not to matter."
    )
    if right > ALMOST_CERTAIN:
        text += (
            " So large an epsilon promises little by itself about a single accusation; the table "
            "above bounds how many people can be found."
        )
    slack = (
        f"Delta = {delta:.4g}, or 1 in {1 / delta:,.0f}: the slack. This much probability may be "
        f"added to what epsilon allows. It should be far below 1 in {n_rows:,.0f}, which is about "
        "the number of rows (counted with noise)."
    )
    blocks: list[Block] = [Paragraph(text), Paragraph(slack)]
    if is_delta_large(statement, n_rows):
        blocks.append(Notice("Here it is not. Ask for a smaller delta before you sign."))
    return blocks


def is_delta_large(statement: PrivacyStatement, n_rows: float) -> bool:
    """Whether delta would allow the record of one of so many to be published."""
    return statement.delta * n_rows >= 1


def _times(epsilon: float) -> str:
    """e^epsilon, rounded up."""
    if epsilon > LARGE_EPSILON:
        return f"e^{epsilon:.4g} (more than a thousand million)"
    return f"{math.ceil(10 * math.exp(epsilon)) / 10:,.1f}"


def _protected(statement: PrivacyStatement) -> str:
    if statement.unit == "patient":
        return (
            "one patient with all of the patient's rows. Nobody's rows count for more than one "
            "person's."
        )
    return (
        "one row. This protects a patient only if no patient has more than one row: for a patient "
        f"with {SEVERAL} rows, epsilon is {_epsilon_of_several(statement):.4g}."
    )


def _epsilon_of_several(statement: PrivacyStatement) -> float:
    """Epsilon for several units whose data all change, at the same delta (mu adds up)."""
    return epsilon_of(SEVERAL * statement.mu, statement.delta)


def _not_covered(statement: PrivacyStatement) -> tuple[str, ...]:
    return (
        "What was declared beforehand: names of columns, their limits and categories, and the "
        "settings of the method. They are taken as public. If somebody read them off the real "
        "table, they may show patients' values.",
        "What is true of people in general. If the set teaches that a symptom goes with a disease, "
        "that says something about everybody with the symptom, in the table or not. Nobody can be "
        "protected from that by leaving the table.",
        f"Families and others whose data hang together: for {SEVERAL} of them together, epsilon is "
        f"{_epsilon_of_several(statement):.4g}.",
        "Scores and results of attacks in this folder. They were computed from real rows without "
        "noise, and are marked where they stand.",
        "Those who held the real table, and the computer on which this ran. The promise is about "
        "whoever receives this folder. It also takes for granted that the software does what it "
        "says.",
    )


def _others(ledger: LedgerExtract | None) -> str:
    text = "Other releases and other fits about the same patients. They add up. "
    if ledger is None:
        return text + (
            "No ledger was given, so this folder does not say what else was asked about them."
        )
    total = f"epsilon = {ledger.epsilon:.4g} at delta = {ledger.delta:.4g}"
    if ledger.n_fits == 1 and ledger.spends:
        text += f"The ledger that was given counts this fit and no other: {total}."
    else:
        without = "" if ledger.spends else ", BUT NOT THIS ONE"
        text += (
            f"The ledger that was given counts {ledger.n_fits} fits{without}; together, {total}."
        )
    return f"{text} It cannot know of releases that were made without it."
