"""State of a long run on disk: one compressed file of arrays, replaced atomically, no pickle."""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skcondense.table.storage import write_atomically

__all__ = ["Checkpoint", "as_array", "digest"]

FORMAT = "skcondense checkpoint, version 2"
FACTS = "facts"


def digest(*arrays: NDArray[Any]) -> str:
    """A fingerprint of arrays."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def as_array(values: Any) -> NDArray[Any]:
    """A tensor as an array that can be saved."""
    found: NDArray[Any] = torch.as_tensor(values).detach().cpu().numpy()
    return found


class Checkpoint:
    """A file that holds the state of a run, for the same settings only.

    Parameters
    ----------
    path : str or Path
        The file.
    settings : dict
        What must be the same when the run goes on; JSON-like.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any]) -> None:
        self.path = Path(path)
        self._settings = json.loads(json.dumps(settings))

    def save(self, arrays: dict[str, NDArray[Any]], numbers: dict[str, Any]) -> None:
        """Write a state; what was there is replaced once everything is on disk.

        Parameters
        ----------
        arrays : dict of {str: ndarray}
            Arrays of numbers.
        numbers : dict
            JSON-like facts, such as the iteration.
        """
        facts = {"format": FORMAT, "settings": self._settings, "numbers": numbers}
        text = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
        content: dict[str, Any] = {**arrays, FACTS: text}
        self.path.parent.mkdir(parents=True, exist_ok=True)

        def write(part: Path) -> None:
            with part.open("wb") as file:
                np.savez_compressed(file, **content)

        write_atomically(self.path, write)

    def load(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Read the state, if there is one.

        Returns
        -------
        arrays, numbers
            What was saved; None if there is no file.

        Raises
        ------
        ValueError
            If the file is no checkpoint, or one of a run with other settings.
        """
        if not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts = json.loads(arrays.pop(FACTS).tobytes())
            known = facts["format"]
        except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(
                f"{self.path} is not a checkpoint, or damaged ({type(error).__name__}). Delete it, "
                "or choose another path."
            ) from error
        if known != FORMAT:
            raise ValueError(f"{self.path} is a {known!r}; this version reads {FORMAT!r}.")
        before = facts["settings"]
        changed = sorted(k for k in {*before, *self._settings} if self._differs(before, k))
        if changed:
            raise ValueError(
                f"{self.path} is a checkpoint of a run with other settings: {changed} changed. "
                "Restore them, or delete the file to start again."
            )
        return arrays, facts["numbers"]

    def _differs(self, before: dict[str, Any], name: str) -> bool:
        return bool(before.get(name) != self._settings.get(name))
