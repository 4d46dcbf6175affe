"""What the documentation shows must run."""

import doctest
import importlib
import pkgutil
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient
from sklearn.datasets import load_breast_cancer

import skcondense
from skcondense import ClusterCondenser

ROOT = Path(__file__).parent.parent
# Without torch the neural room cannot be imported, and says so.
NEURAL = "skcondense.neural"
MODULES = [
    module.name
    for module in pkgutil.walk_packages(skcondense.__path__, "skcondense.", onerror=lambda _: None)
    if find_spec("torch") or not module.name.startswith(NEURAL)
]
NOTEBOOKS = [
    path
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    if find_spec("torch") or NEURAL not in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.usefixtures("small_teachers")
def test_readme(tmp_path, monkeypatch):
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert code, "the README shows Python code"
    monkeypatch.chdir(tmp_path)
    # Fewer rounds than the default: the code is what is tested here, not the quality.
    few = "n_candidates=3, n_exchanges=1, max_iter=1, n_directions=2,"
    fast = "\n".join(code).replace("n_jobs=2,", few).replace("epsilon=4.0,", f"epsilon=4.0, {few}")
    fast = fast.replace("RandomForestClassifier(50)", "RandomForestClassifier(10)")
    exec(compile(fast, "README.md", "exec"), {})
    assert (tmp_path / "condensed" / "condensed.csv").exists()
    assert (tmp_path / "ledger.jsonl").exists()


def shows_python(path):
    return "```python" in path.read_text(encoding="utf-8")


PAGES = [
    path.relative_to(ROOT / "docs").with_suffix("").as_posix()
    for path in sorted((ROOT / "docs").glob("**/*.md"))
    if shows_python(path)
]
# It shows joblib's backends, of which some need a cluster: tests/test_parallel.py runs them.
PAGES.remove("methods/zero_order")
# What shows networks needs torch.
NEEDS_TORCH = {
    "audits/reconstruction", "images", "methods/diffusion_matching", "methods/trajectory_matching",
}  # fmt: skip
# Fewer rounds than on the page: the code is what is tested here.
FEWER = {
    "methods/diffusion_matching": ("n_prototypes=40,", "n_prototypes=10, max_iter=2,"),
    "methods/trajectory_matching": (
        "n_prototypes=40,",
        "n_prototypes=10, max_iter=2, experts=ExpertTraining(1, 8, 5),",
    ),
}


@pytest.fixture
def hospital(tmp_path, monkeypatch):
    """The files that pages read, and rows under the names that they go on with."""
    monkeypatch.chdir(tmp_path)
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X, y = X.iloc[:, :4], y.rename("died")
    table = X.assign(patient_id=X.index, patient=X.index, died=y)
    table.to_csv("table.csv", index=False)
    if find_spec("pyarrow"):
        table.drop(columns="patient_id").to_parquet("admissions.parquet")
    ClusterCondenser(10, labels="mean", random_state=0).condense(X, y).save("condensed")
    return {"X": X, "y": y}


@pytest.mark.usefixtures("small_teachers")
@pytest.mark.parametrize("name", PAGES)
def test_page(name, hospital, monkeypatch):
    if name in NEEDS_TORCH:
        pytest.importorskip("torch")
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    code = code.replace(*FEWER.get(name, ("", "")))
    # A module, in which pickle finds classes that a page defines.
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    vars(page).update(hospital)
    exec(compile(code, f"{name}.md", "exec"), vars(page))
    if name == "privacy":
        same = page.again.to_frame().equals(page.condensed.to_frame())
        assert same, "the page says that a replay gives the same set"


@pytest.fixture(scope="module")
def kernel():
    """One for all notebooks: what they import is loaded once, and their names are cleared."""
    manager = KernelManager()
    manager.start_kernel()
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook(path, tmp_path, kernel):
    notebook = nbformat.read(path, as_version=4)
    fresh = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {tmp_path}")
    notebook.cells.insert(0, fresh)
    runner = NotebookClient(notebook, km=kernel, timeout=300)
    try:
        runner.execute()
    finally:
        # It leaves the channels to a kernel that is not its own open.
        runner.kc.stop_channels()


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/**/*.md")), ids=lambda p: p.stem)
def test_links(path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}, which is missing"
