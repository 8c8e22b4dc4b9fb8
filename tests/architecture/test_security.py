"""What could run somebody else's code stands in few places, each with what protects it."""

import ast
import inspect

import pytest

from automl_assets.cli import app
from tests.architecture.test_code import TREES

RUN_CODE = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "cloudpickle.load", "cloudpickle.loads", "dill.load"),
    *("joblib.load", "torch.load", "pd.read_pickle", "skops.io.load", "marshal.loads", "shelve.open"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec", "os.system", "os.popen", "runpy.run_path"),
    *("mlflow.pyfunc.load_model", "mlflow.sklearn.load_model"),
    "read_models",
}
PROTECTED = {
    ("resources/model_codec.py", "pickle.Unpickler"): "`record_codec` alone calls it, once the signature is checked",
    ("resources/record_codec.py", "read_models"): "its signature by this installation's key is checked just before",
    (
        "resources/model_registry.py",
        "mlflow.pyfunc.load_model",
    ): "the SHA-256 of all its files is that of its registration",
    (
        "automl_assets/serving/worker.py",
        "mlflow.pyfunc.load_model",
    ): "`automl serve` compared its SHA-256 just before",
    (
        "automl_assets/backbones/inverted_residuals.py",
        "torch.load",
    ): "tensors alone, once the SHA-256 is that of the known file",
    ("automl_assets/execution/batches.py", "pickle.load"): "written by an own child into a folder of 0700",
}
NODES = [(place, node) for place, tree in TREES.items() for node in ast.walk(tree)]
CALLS = [(place, node) for place, node in NODES if isinstance(node, ast.Call)]
BASES = [(place, base) for place, node in NODES if isinstance(node, ast.ClassDef) for base in node.bases]


def _in_folder(place: str) -> str:
    """A worktree may reach `resources` and `sensors` through the package as well."""
    return place.removeprefix("automl_assets/") if "/resources/" in place or "/sensors/" in place else place


def test_what_can_run_code_is_protected() -> None:
    used = [*BASES, *((place, call.func) for place, call in CALLS)]
    found = {(_in_folder(place), ast.unparse(name)) for place, name in used}
    assert {(place, name) for place, name in found if name in RUN_CODE} == set(PROTECTED)


def test_torch_reads_tensors_alone() -> None:
    loading = [call for _, call in CALLS if ast.unparse(call.func) == "torch.load"]
    assert loading and all("weights_only=True" in map(ast.unparse, call.keywords) for call in loading)


def test_no_shell_and_no_pickled_array() -> None:
    given = [(f"{place}:{call.lineno}", keyword) for place, call in CALLS for keyword in call.keywords]
    risky = {"shell", "allow_pickle", "trust_remote_code"}
    said = [
        place
        for place, keyword in given
        if keyword.arg in risky and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert said == []


def test_models_of_the_hub_are_read_as_safetensors_alone() -> None:
    loads = [call for _, call in CALLS if ast.unparse(call.func) == "AutoModel.from_pretrained"]
    assert loads
    assert all("use_safetensors=True" in ast.unparse(call) for call in loads)


@pytest.mark.parametrize("command", [app.ui, app.serve])
def test_servers_are_for_this_machine_unless_told_otherwise(command: object) -> None:
    assert inspect.signature(command).parameters["host"].default == "127.0.0.1"
