from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, git, run

from truefit.commands.init import _own_names, forget_own, pins, stages
from truefit.core.trees import flatten

SOURCE = '''

def ramp(*, rows: int = 60) -> dict[str, Any]:
    """A number that follows from another."""
    values = [[n / rows] for n in range(rows)]
    return {"x": np.array(values), "y": np.array([3 * v[0] + 1 for v in values])}
'''
SOURCE_YAML = """\
# A ramp: `dvc exp run -S data=ramp`.
defaults:
  - override /task@_global_.task: auto
  - _self_
_target_: wine_cellar.data.ramp
rows: 60
normalize: true
split: {validation: 0.2, test: 0.2, stratify: auto}
"""
MODEL = '''

@keras.saving.register_keras_serializable("wine_cellar")
class Doubled(keras.layers.Layer):
    """A layer of our own, which a loaded model has to find again."""

    def call(self, rows: Any) -> Any:
        """Twice the rows."""
        return 2 * rows


def wide(input_shape: tuple[int, ...], num_outputs: int, *, units: int = 64) -> keras.Model:
    """One wide layer."""
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units, activation="relu")(Doubled()(inputs))
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden))
'''
MODEL_YAML = """\
# A wide layer: `dvc exp run -S model=wide`.
_target_: wine_cellar.models.wide
units: 64
space: {units: "int(interval(32, 128))"}
"""


def installed(wheel: Path, folder: Path) -> Path:
    """An environment with truefit from the wheel, and its dependencies from this one."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A wheel's own files stand before these; editable installs of these are not seen.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True)
    return folder / "bin"


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a wheel, two environments, and pipelines of its own
def test_a_new_project_runs_at_once_and_passes_its_own_tests(tmp_path: Path) -> None:
    """From a wheel: `dvc repro`, then with an added model and data source the CI script."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    tool = installed(next(tmp_path.glob("*.whl")), tmp_path / "tool")
    project = tmp_path / "wine-cellar"
    made = run(str(tool / "truefit"), "init", str(project), PYTHONPATH="")
    assert "is a project with the package wine_cellar" in made.stdout, made.stderr
    assert len(list(project.glob("vendor/truefit-*.whl"))) == 1
    assert "--find-links vendor\n" in (project / "requirements.txt").read_text()
    bin_folder = installed(next(tmp_path.glob("*.whl")), project / ".venv")
    for name in ("installed", "installed-dev"):
        (project / ".venv" / name).touch()
    path = f"{bin_folder}:{Path(sys.executable).parent}:/usr/bin:/bin"
    here = {"PATH": path, "PYTHONPATH": ""}

    params = project / "params.yaml"
    few = {"training": {"epochs": 3}, "search": {"n_trials": 2, "finalists": {"n_finalists": 0}}}
    params.write_text(params.read_text().replace("set: {}", f"set: {few}"))
    git("-C", str(project), "add", "-A")
    git("-C", str(project), "commit", "-qm", "start")
    done = run("make", "repro", cwd=project, **here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test accuracy" in done.stdout
    resolved = yaml.safe_load((project / "resolved.yaml").read_text())
    assert resolved["mlflow_experiment"] == "wine-cellar"
    assert resolved["model"]["_target_"] == "wine_cellar.models.network"

    data, models = project / "wine_cellar/data.py", project / "wine_cellar/models.py"
    data.write_text(data.read_text().replace("from sklearn", "import numpy as np\nfrom sklearn"))
    data.write_text(data.read_text() + SOURCE)
    imports = "from typing import Any\n\nimport keras"
    models.write_text(models.read_text().replace("import keras", imports, 1) + MODEL)
    (project / "conf/data/ramp.yaml").write_text(SOURCE_YAML)
    (project / "conf/model/wide.yaml").write_text(MODEL_YAML)
    done = run("bash", ".ci/run", cwd=project, **here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout

    (project / "wine_cellar/more.py").write_text('"""Seen by no stage."""\n')
    done = run("bash", ".ci/run", cwd=project, PYTEST_ADDOPTS="-k sees_every_module", **here)
    assert done.returncode != 0
    assert "name ['wine_cellar/more.py'] under `deps:`" in done.stdout


@pytest.mark.parametrize(
    ("name", "package", "said"),
    [
        ("full", None, "is there already and is not empty"),
        ("numpy", None, "give the package of numpy another name with --package"),
        ("new", "1st", "a package cannot be called '1st'"),
    ],
)
def test_init_leaves_what_is_there(
    tmp_path: Path, name: str, package: str | None, said: str
) -> None:
    """It refuses with the way out, and writes nothing."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    asked = ["--package", package] if package else []

    done = run("truefit", "init", str(tmp_path / name), *asked, cwd=ROOT)

    assert done.returncode == 1
    assert said in done.stderr
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["full", "notes.txt"]


def test_every_stage_of_a_new_project_sees_the_version_of_truefit() -> None:
    """Its modules are not there to depend on; requirements.txt stands for them."""
    found = yaml.safe_load(stages((ROOT / "dvc.yaml").read_text(), "ours"))["stages"]

    for name, stage in found.items():
        assert "requirements.txt" in stage["deps"], name
        assert not [d for d in stage["deps"] if d.startswith("src/")]
        assert "src" not in stage["cmd"]
    assert "ours/data.py" in found["preprocess"]["deps"]
    assert "ours/models.py" in found["search"]["deps"]


def test_a_new_project_has_nothing_of_the_one_it_is_made_from(tmp_path: Path) -> None:
    """Code that dvc.yaml names, packages, defaults, and files of conf/ for own code or data."""
    text = (ROOT / "dvc.yaml").read_text()
    stage = "      - pipelines/train.py\n"
    mine = text.replace(stage, f"{stage}      - mine\n      - mine/more.py  # new\n")
    conf = tmp_path / "conf"
    shutil.copytree(ROOT / "conf", conf)
    before = sorted(conf.rglob("*"))
    (conf / "data/code.yaml").write_text("_target_: 'mine.data.load'\n")
    (conf / "data/file.yaml").write_text("defaults: [csv]\npath:  data/raw/file.csv\n")
    (conf / "data/more.yaml").write_text("defaults: [file, _self_]\ndecimal: ','\n")
    (conf / "experiment/mine.yaml").write_text("defaults:\n  - override /data: more\n")

    found = _own_names("  - data: code\n  - model: wide\npackages: [mine]  # why\n", "a", "a")
    forget_own(conf)

    assert "mine/more.py" in mine
    assert stages(mine, "ours") == stages(text, "ours")
    assert found == "  - data: own\n  - model: own\npackages: [a]  # why\n"
    assert sorted(conf.rglob("*")) == before


def test_a_new_project_brings_the_wheel_that_is_on_no_index(tmp_path: Path) -> None:
    """From a checkout it is built."""
    done = run("truefit", "init", str(tmp_path / "first"), cwd=ROOT)

    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "first").glob("vendor/truefit-*.whl"))) == 1


def test_a_new_project_has_no_choices_of_the_one_it_is_made_from() -> None:
    """Its params.yaml knows the same keys, and says nothing yet."""
    params = yaml.safe_load((ROOT / "src/truefit/commands/template/params.yaml.j2").read_text())

    assert params.keys() == yaml.safe_load((ROOT / "params.yaml").read_text()).keys()
    assert {params.pop("path"), str(params.pop("set"))} == {"data/raw", "{}"}
    assert not [value for value in flatten(params).values() if value is not None]


def test_constraints_are_the_pins_without_hashes() -> None:
    """One line a package, with its marker."""
    text = "a==1 \\\n    --hash=sha256:00\nb==2 ; os_name == 'nt' \\\n    --hash=sha256:11\n"

    assert pins(text).splitlines()[1:] == ["a==1", "b==2 ; os_name == 'nt'"]
