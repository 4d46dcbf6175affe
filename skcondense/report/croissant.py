"""A condensed set described for data catalogues: Croissant, with responsible-AI fields.

Croissant (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html) is JSON-LD: which
files there are, which columns their rows have, and where the data come from. Nothing is said here
that the set itself does not show.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import narwhals.stable.v2 as nw

from skcondense.condensed_set import CondensedSet
from skcondense.report.account import CONTENTS, FORBIDDEN, TASKS
from skcondense.report.privacy_words import NOTHING_PROMISED
from skcondense.table import ColumnSchema, SurvivalSchema, is_images
from skcondense.tasks import TargetContainer, resolve_task

__all__ = ["croissant_metadata"]

Json = dict[str, Any]

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
# Terms of the specification's appendix; those of schema.org need no entry.
CROISSANT_TERMS = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty",
    "excludes", "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes",
    "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "readLines",
    "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "sdVersion",
    "separator", "source", "subField", "transform", "unArchive", "value",
)  # fmt: skip
CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in CROISSANT_TERMS},
}
# Media types, or where there is none an address that explains the format.
FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".npz": "https://numpy.org/doc/stable/reference/generated/numpy.savez_compressed.html",
    # Registered as application/vnd.apache.parquet, but this is what Croissant's tools read.
    ".parquet": "application/x-parquet",
}
OTHER_FORMAT = "application/octet-stream"
# Parquet keeps texts such as "007" and "NA" apart from numbers and gaps; readers of CSV do not.
TABLES = ("condensed.parquet", "condensed.csv")
ROWS, CATEGORIES = "rows", "categories"
LABEL = "cr:Label"
WEIGHT = "How many real rows this row stands for; a sample weight for models."
PROTOTYPE = (
    "Number of the prototype to which the row belongs. A prototype takes several rows where its "
    "outcome is uncertain: one per possible outcome, with weights that say how likely each is."
)


def croissant_metadata(
    condensed: CondensedSet, *, name: str, description: str, files: Mapping[str, str]
) -> Json:
    """Describe a released set in Croissant 1.1, with the responsible-AI vocabulary.

    Parameters
    ----------
    condensed : CondensedSet
        The set.
    name : str
        Of the release.
    description : str
        What the set is for, and whom the real table was about.
    files : mapping of {str: str}
        SHA-256 digest, in hexadecimal digits, of each file of the release, by its name.

    Returns
    -------
    dict
        JSON-LD. Rows are those of ``condensed.parquet``, or of ``condensed.csv`` where there is
        none, with one field per column. Licence, address and creator are for whoever publishes
        the set: the first is said to be missing, the others are left out.

    Raises
    ------
    ValueError
        If `files` holds no table of rows.

    References
    ----------
    Croissant Format Specification 1.1, MLCommons 2026; Croissant RAI Specification 1.0, MLCommons
    2024.
    """
    from skcondense import __version__

    table = next((file for file in TABLES if file in files), None)
    if table is None:
        raise ValueError(f"A release needs one of {list(TABLES)}. Got files {sorted(files)}.")
    today = date.today().isoformat()
    return {
        # A copy: readers write into what they are given.
        "@context": deepcopy(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": [*CONFORMS_TO],
        "name": name,
        "description": description,
        "version": "1.0.0",
        "datePublished": today,
        "license": {
            "@type": "sc:CreativeWork",
            "name": "No licence is stated",
            "description": "Whoever releases the set decides who may use it, and for what.",
        },
        "citeAs": f"{name}, {today}. Condensed with skcondense {__version__}: {condensed.method}",
        "keywords": ["dataset condensation", condensed.task],
        **_responsible_ai(condensed),
        "distribution": [_file(file, digest, condensed) for file, digest in sorted(files.items())],
        "recordSet": _record_sets(condensed, table),
    }


# Files.


def _file(file: str, digest: str, condensed: CondensedSet) -> Json:
    path = PurePosixPath(file)
    described = {
        "@type": "cr:FileObject",
        "@id": quote(file),
        "name": path.name,
        "contentUrl": file,
        "encodingFormat": FORMATS.get(path.suffix.lower(), OTHER_FORMAT),
        "sha256": digest,
    }
    words = CONTENTS.get(file)
    if path.suffix == ".npz" and is_images(condensed.X):
        words = _images(condensed.X)
    return described if words is None else {**described, "description": words}


def _images(X: Any) -> str:
    return (
        f"The images: a NumPy archive with one array, X, of shape {X.shape} and dtype {X.dtype}; "
        "image i belongs to row i of the table. Croissant has no way to read it."
    )


# Rows.


def _record_sets(condensed: CondensedSet, table: str) -> list[Json]:
    fields, enumerations = [], []
    for name, kind, words, categories in _columns(condensed):
        field = {
            "@type": "cr:Field",
            "@id": f"{ROWS}/{_quoted(name)}",
            "name": name,
            "description": words,
            "dataType": kind,
            "source": {"fileObject": {"@id": quote(table)}, "extract": {"column": name}},
        }
        if categories and all(isinstance(category, str) for category in categories):
            enumeration = _enumeration(name, categories)
            enumerations.append(enumeration)
            # The specification also writes {"@id": ...} alone, which its validator does not read.
            field["references"] = {"field": enumeration["key"]}
        fields.append(field)
    rows = {
        "@type": "cr:RecordSet",
        "@id": ROWS,
        "name": ROWS,
        "description": f"Condensed rows with their outcomes and weights. {_origin(condensed)}",
        "field": fields,
    }
    return [rows, *enumerations]


def _enumeration(name: str, categories: Iterable[str]) -> Json:
    own = f"{CATEGORIES}/{_quoted(name)}"
    key = f"{own}/name"
    return {
        "@type": "cr:RecordSet",
        "@id": own,
        "name": f"{CATEGORIES} of {name}",
        "description": f"What {name} may be.",
        "dataType": "sc:Enumeration",
        "key": {"@id": key},
        "field": [{"@type": "cr:Field", "@id": key, "name": "name", "dataType": "sc:Text"}],
        "data": [{key: category} for category in categories],
    }


def _quoted(name: str) -> str:
    """A name as one step of an address; "." and ".." would be steps of another kind."""
    return quote(name, safe="").replace(".", "%2E")


Described = tuple[str, str | list[str], str, tuple[Any, ...] | None]
Outcome = tuple[str, tuple[Any, ...] | None]


def _columns(condensed: CondensedSet) -> Iterator[Described]:
    """Name, type, description and categories of each column of the released table.

    A feature whose name is empty is left out: Croissant finds columns by their names.
    """
    frame = nw.from_native(condensed.to_frame(), eager_only=True)
    names = frame.columns
    features = [] if is_images(condensed.X) else list(condensed.schema)
    for name, column in zip(names, features, strict=False):
        if name:
            yield name, _data_type(column), _in_words(column), column.categories
    # An outcome's own names may differ from those in the table, where they had to be free.
    outcomes = _outcomes(condensed)
    for name, (words, categories) in zip(names[len(features) : -2], outcomes, strict=True):
        yield name, [_type_of(frame[name].to_list()), LABEL], words, categories
    yield names[-2], "sc:Float", WEIGHT, None
    yield names[-1], "sc:Integer", PROTOTYPE, None


def _outcomes(condensed: CondensedSet) -> list[Outcome]:
    """Description and categories of each column of the outcome, in the order of the table."""
    outcome = condensed.schema.outcome
    if condensed.task == "survival":
        return _survival(condensed, outcome)
    if not isinstance(outcome, ColumnSchema):
        return [(f"Outcome ({condensed.task}).", None)]
    return [(f"Outcome ({condensed.task}): {_in_words(outcome)}", outcome.categories)]


def _survival(condensed: CondensedSet, outcome: Any) -> list[Outcome]:
    _, values = resolve_task(condensed.task, condensed.y, outcome)
    event = (values.dtype.names or ())[0]
    grid = outcome if isinstance(outcome, SurvivalSchema) else None
    unit = f", in {grid.unit}" if grid is not None and grid.unit else ""
    until = f". What happens after {grid.grid[-1]:g} counts as censored there" if grid else ""
    words = {
        True: "Outcome: whether the event was observed. If not, the row is censored at its time.",
        False: f"Outcome: time until the event, or until the row is censored{unit}{until}.",
    }
    return [(words[name == event], None) for name in TargetContainer.of(condensed.y).names]


def _in_words(column: ColumnSchema) -> str:
    unit = f", in {column.unit}" if column.unit else ""
    gaps = " Cells may be empty." if column.missing else ""
    if column.categories is not None:
        listed = ", ".join(map(str, column.categories))
        return f"{column.kind}{unit}; one of: {listed}.{gaps}"
    bounds = f"; from {column.bounds[0]:g} to {column.bounds[1]:g}" if column.bounds else ""
    return f"{column.kind}{unit}{bounds}.{gaps}"


def _data_type(column: ColumnSchema) -> str:
    if column.is_number:
        return "sc:Integer" if column.kind == "integer" else "sc:Float"
    return _type_of(column.categories or ())


def _type_of(values: Iterable[Any]) -> str:
    present = [value for value in values if value is not None and value == value]
    # Python counts True and False as whole numbers.
    for kind, name in ((bool, "Boolean"), (int, "Integer"), (float, "Float")):
        if all(isinstance(v, kind if kind is not float else int | float) for v in present):
            return f"sc:{name}"
    return "sc:Text"


# Responsible AI.


def _responsible_ai(condensed: CondensedSet) -> Json:
    return {
        "rai:dataCollection": (
            f"{condensed.n_prototypes} prototypes were computed from a private table by "
            f"{condensed.method}. Their weights sum to {condensed.sample_weight.sum():,.0f}, the "
            f"number of the table's rows{' with noise' if condensed.privacy else ''}."
        ),
        "rai:dataCollectionType": ["Secondary Data analysis", "Others (condensation)"],
        "rai:dataCollectionRawData": (
            "A private table that is not part of this release. The description says what is "
            "stated of it."
        ),
        "rai:dataCollectionMissingData": _gaps(condensed),
        "rai:dataUseCases": [f"To train {TASKS[condensed.task]}, in the place of the real table."],
        "rai:dataLimitations": [f"Not {use[0].lower()}{use[1:]}" for use in FORBIDDEN],
        "rai:dataBiases": [
            "Whatever was unbalanced or wrong in the real table is so here.",
            "A few rows stand for many people: what is rare in the table, groups of people "
            "included, may be missing or distorted.",
        ],
        "rai:personalSensitiveInformation": list(_about_people(condensed)),
        "rai:dataReleaseMaintenancePlan": (
            "No plan is stated. The files of a release do not change; a correction is a new "
            "release, and its privacy costs add to those of this one."
        ),
    }


def _gaps(condensed: CondensedSet) -> str:
    names = [column.name for column in condensed.schema if column.missing]
    if not names:
        return "No cell is empty."
    return f"Empty cells are missing values. They may occur in: {', '.join(names)}."


def _about_people(condensed: CondensedSet) -> Iterator[str]:
    yield _origin(condensed)
    yield from (NOTHING_PROMISED,) if condensed.privacy is None else condensed.privacy.sentences
    yield "Names of columns and what they may hold are those of the real table."


def _origin(condensed: CondensedSet) -> str:
    if condensed.privacy is not None:
        return "Rows were computed from noised answers; none was copied from a real table."
    if condensed.contains_real_rows:
        return "Some rows are those of real people."
    if condensed.real_row_matches is None:
        return "It was not counted how many rows are those of real people."
    return "No row is that of a real person."
