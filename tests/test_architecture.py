"""Data flows one way: no room imports from a room to its right."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skcondense

ROOMS = [
    ["exceptions", "_threads", "_sklearn"],
    ["models", "privacy", "table"],
    ["tasks"],
    ["private_table", "condensed_set", "callbacks"],
    ["base", "border", "private_fit", "life_table"],
    ["optimizers"],
    ["condensers"],
    ["neural"],
    ["pipeline", "model_selection", "parquet", "testing"],
    ["audit"],
    ["report"],
    ["cli"],
]
POSITION = {room: i for i, rooms in enumerate(ROOMS) for room in rooms}
PACKAGE = Path(skcondense.__file__).parent
FILES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            parts = module.split(".")
            if parts[0] == "skcondense" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_left(path):
    here = POSITION[room_of(path)]
    wrong = {room for room in imported_rooms(path) if POSITION[room] > here}
    assert not wrong, f"{path.name} imports from rooms to its right: {wrong}"


def test_optional_dependencies_are_not_imported():
    optional = {"sksurv", "xgboost", "nevergrad", "polars", "torch", "matplotlib"}
    code = f"import skcondense, sys; print({optional} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_only_the_neural_room_imports_torch():
    for path in FILES:
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [getattr(node, "module", None) or node.names[0].name]
        }
        assert "torch" not in imported or room_of(path) == "neural", path


def test_without_torch_the_neural_room_says_what_to_install():
    code = "import sys, skcondense; sys.modules['torch'] = None; import skcondense.neural"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "skcondense[neural]"' in out.stderr
