"""Results of audits as JSON text."""

import json
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["json_text", "records_of"]


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table; numbers keep all their digits, a p-value of 3e-12 among them."""
    return [
        {str(name): _plain(cell) for name, cell in row.items()}
        for row in table.to_dict(orient="records")
    ]


def json_text(facts: Any) -> str:
    """Facts as JSON, which has no NaN: null is in its place."""
    return json.dumps(_without_nan(facts), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def _without_nan(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {key: _without_nan(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [_without_nan(value) for value in facts]
    return None if isinstance(facts, float) and not np.isfinite(facts) else facts
