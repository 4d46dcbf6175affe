"""A condensed set in a few facts."""

import json
from dataclasses import asdict
from typing import Any

from skcondense import CondensedSet

__all__ = ["describe"]


def describe(condensed: CondensedSet) -> dict[str, Any]:
    """What a set is and promises, without its rows and its schema."""
    matches, privacy = condensed.real_row_matches, condensed.privacy
    return {
        "task": condensed.task,
        "method": condensed.method,
        "n_prototypes": condensed.n_prototypes,
        "n_rows": len(condensed),
        "n_features": len(condensed.schema),
        "weight_sum": float(condensed.sample_weight.sum()),
        "real_row_matches": None if matches is None else asdict(matches),
        "privacy": None if privacy is None else json.loads(privacy.to_json()),
    }
