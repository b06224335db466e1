from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sections
from conftest import ROOT, run
from omegaconf import OmegaConf

from truefit.core.errors import UserError
from truefit.core.resolved import dump, load, names, override, read_yaml
from truefit.core.trees import flatten
from truefit.stages.compose import compose, resolve

CHOICES = [
    (folder.name, file.stem)
    for folder in sorted((ROOT / "conf").iterdir())
    if folder.is_dir()
    for file in sorted(folder.glob("[!_]*.yaml"))
]
WHEN = {"space": "int(interval(64, 128))", "when": {"model.depht": 2}}


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_composes(project: Path, group: str, name: str) -> None:
    """Each YAML under conf/ gives a valid configuration when it is chosen."""
    needed = {"csv": ["target"], "parquet": ["target"], "text_csv": ["text", "target"]}
    needs = {"data": dict.fromkeys(needed.get(name, []), "y")} if group == "data" else {}
    params = {group: name, "set": needs} if group == "data" else {"set": {group: name}}
    without_torch = {
        "gp": "GPSampler needs torch: `pip install",
        "torch_mlp": "backend: torch is not installed; `pip install",
    }
    if group != "model" and name in without_torch and find_spec("torch") is None:
        with pytest.raises(UserError, match=without_torch[name]):
            resolve(params)
        return

    config = resolve(params)

    assert "space" not in config["model"]
    assert config["search"]["space"]


@pytest.mark.parametrize("file", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda f: f.stem)
def test_every_file_says_what_it_is_and_how_to_run_it(file: Path) -> None:
    """Each YAML under conf/ opens with a comment that has a command to paste."""
    comment = "".join(line for line in file.read_text().splitlines() if line.startswith("#"))

    assert "`dvc " in comment


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"data": "iriss"}, ["params.yaml: data:", "conf/data/iriss.yaml", "`iris`"]),
        ({"modell": "cnn"}, ["params.yaml: modell", "`model`"]),
        ({"model": 3}, ["params.yaml: model", "conf/model", "3"]),
        ({"training": {"epocs": 3}}, ["training.epocs", "`training.epochs`"]),
        ({"set": {"training": {"patiense": 3}}}, ["training.patiense", "`training.patience`"]),
        ({"set": {"model": {"dropuot": 0.1}}}, ["model.dropuot", "`dropout`"]),
        ({"set": {"optimizer": {"learning_rat": 0.1}}}, ["learning_rat", "`learning_rate`"]),
        ({"set": {"optimizer": {"learning_rate": "fast"}}}, ["number", "'fast'"]),
        ({"set": {"training": {"epochs": "many"}}}, ["training.epochs", "integer", "'many'"]),
        ({"set": {"model": {"depth": "deep"}}}, ["model.depth", "integer", "'deep'"]),
        ({"set": {"model": {"dropout": 1.5}}}, ["model.dropout", "less than 1", "1.5"]),
        ({"set": {"data": {"split": {"test": 0.9}}}}, ["data.split", "0.9"]),
        ({"set": {"search": {"space": {"seed": "choice(0, 1)"}}}}, ["seed", "model, optimizer"]),
        ({"set": {"optimizer": {"clipnorm": [{"_target_": "builtins.open"}]}}}, ["not allowed"]),
        (
            {
                "set": {
                    "optimizer": {
                        "learning_rate": {
                            "_target_": "keras.optimizers.schedules.CosineDecay",
                            "initial": 1,
                        }
                    }
                }
            },
            ["initial", "initial_learning_rate"],
        ),
        ({3: 4}, ["params.yaml: 3"]),
        ({"set": {"training": {3: 4}}}, ["training.3"]),
        ({"mlflow_experiment": ""}, ["mlflow_experiment", "at least 1"]),
        ({"set": {"training": 3}}, ["training", "block", "3"]),
        (
            {"set": {"model": {"_target_": "os.system"}}},
            ["model._target_", "not allowed", "packages"],
        ),
        ({"set": {"model": {"_target_": "truefit.models.mlp.mlpp"}}}, ["cannot be found", "mlpp"]),
        ({"set": {"model": {"input_shape": [3]}}}, ["model.input_shape", "itself"]),
        ({"data": "csv"}, ["data.target", "???"]),
        ({"data": "csv", "path": "no/such.csv", "set": {"data": {"target": "y"}}}, ["no/such.csv"]),
        ({"set": {"search": {"space": {"model.width": "choice(1, 2)"}}}}, ["model.width"]),
        ({"set": {"model": {"space": {"depth": "interval(4, 1)"}}}}, ["low=4", "high=1"]),
        ({"set": {"model": {"space": {"dropout": "interval(0, 1.5)"}}}}, ["model.dropout", "1.5"]),
        ({"set": {"model": {"space": {"depth": "int(interval(3, 4))"}}}}, ["trial 0", "outside"]),
        (
            {"set": {"search": {"sampler": {"_target_": "optuna.samplers.NoSampler"}}}},
            ["NoSampler"],
        ),
        ({"set": {"search": {"workers": 9}}}, ["search.workers", "search.window (4)", "9"]),
        ({"set": {"search": {"objective": "pareto"}}}, ["pruner", "two objectives"]),
        ({"set": {"search": {"finalists": {"n_seeds": 1}}}}, ["finalists.n_seeds", "2", "1"]),
        ({"set": {"pruner": "hyperband", "training": {"epochs": 3}}}, ["min_resource", "3"]),
        (
            {"search": {"n_trials": 60}, "set": {"search": "grid"}},
            ["48 points", "at most 49", "60"],
        ),
        (
            {"search": {"space": {"model.dropout": "interval(0, 1)"}}, "set": {"search": "grid"}},
            ["model.dropout", "reaches", "less than 1"],
        ),
        (
            {"search": {"space": {"model.dropout": "interval(0, 0.5)"}}, "set": {"search": "grid"}},
            ["model.dropout", "a grid needs choices"],
        ),
        (
            {"set": {"search": {"space": {"optimizer._target_": "choice(keras.optimizers.Adm)"}}}},
            ["space.optimizer._target_", "trial 0"],
        ),
        ({"set": {"search": {"space": {"model.units": WHEN}}}}, ["model.depht", "`model.depth`"]),
        ({"seed": "lucky"}, ["seed", "integer", "'lucky'"]),
        ({"backend": "theano"}, ["backend", "tensorflow", "'theano'"]),
        ({"model": {"_target_": "x"}}, ["Hydra composition is on", "hydra.enabled false"]),
        ([1, 2], ["params.yaml", "key: value"]),
    ],
)
def test_a_fault_is_named_with_the_way_out(project: Path, params: Any, expected: list[str]) -> None:
    """A wrong choice or value is refused with its key, what was expected, what was received."""
    with pytest.raises(UserError) as refusal:
        resolve(params)

    assert [text for text in expected if text not in str(refusal.value)] == []
    assert "Fault(" not in str(refusal.value)


def test_all_faults_are_named_at_once(project: Path) -> None:
    """Two faults in one configuration need one attempt to see, not two."""
    with pytest.raises(UserError, match=r"(?s)model\.depth.*optimizer\.learning_rat"):
        resolve({"set": {"model": {"depth": -1}, "optimizer": {"learning_rat": 1}}})


def test_a_file_that_is_not_yaml_is_named_with_its_line(project: Path) -> None:
    """A syntax error gives file and line, exit 1, and leaves resolved.yaml alone."""
    before = Path("resolved.yaml").read_bytes()
    Path("params.yaml").write_text("data: iris\nmodel: [cnn\nset: {}\n")

    done = run("python", "pipelines/compose.py")

    assert done.returncode == 1
    assert "params.yaml:" in done.stderr
    assert "is not YAML" in done.stderr
    assert "Traceback" not in done.stderr
    assert before == Path("resolved.yaml").read_bytes()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            b"seed: 010\n",
            "params.yaml:1: expected a decimal number or a text, received `010`, which",
        ),
        (b"set: {data: {na_values: [a, 12:30]}}\n", "received `12:30`, which YAML reads as 750"),
        (
            b"<<<<<<< HEAD\nseed: 1\n=======\nseed: 2\n>>>>>>> b\n",
            "params.yaml:1 has git's conflict",
        ),
        (b"seed: 1  # gr\xf6\xdfe\n", "params.yaml: expected UTF-8, received the byte 0xf6"),
    ],
)
def test_a_file_that_people_and_programs_read_differently_is_refused(
    written: bytes, said: str, project: Path
) -> None:
    """DVC reads 010 as ten and this project as eight; a merge and another encoding are named."""
    Path("params.yaml").write_bytes(written)

    with pytest.raises(UserError) as refused:
        compose()

    assert said in str(refused.value)


def test_numbers_that_have_one_reading_stay(project: Path) -> None:
    """A quoted 010, 1e-3, a fraction and a date are no reason to refuse."""
    Path("params.yaml").write_text(
        "# 010\nset: {optimizer: {learning_rate: 1e-3}}\nbackend: null\n"
    )

    compose()

    assert load()["optimizer"]["learning_rate"] == 0.001


def test_a_fault_leaves_the_resolved_configuration_alone(project: Path) -> None:
    """A configuration that is refused does not replace the last one that was not."""
    before = Path("resolved.yaml").read_bytes()
    Path("params.yaml").write_text("model: cnm\n")

    with pytest.raises(UserError):
        compose()

    assert before == Path("resolved.yaml").read_bytes()
    assert not list(Path().glob(".resolved.yaml.*"))


def test_composing_imports_nothing_heavy(project: Path) -> None:
    """Compose checks arguments of Keras classes without importing Keras or a backend."""
    heavy = "{'keras', 'tensorflow', 'mlflow', 'optuna', 'sklearn', 'pandas'}"
    code = (
        f"import sys, truefit.stages.compose as c; c.compose(); print({heavy} & set(sys.modules))"
    )

    done = run("python", "-c", code)

    assert done.stdout.splitlines()[-1] == "set()", done.stderr


def test_choosing_data_brings_its_task_along(project: Path) -> None:
    """`data=diabetes` alone makes it a regression, and a task named by the user wins over that."""
    assert resolve({"data": "diabetes"})["task"]["_target_"] == "truefit.training.tasks.regression"
    chosen = resolve({"data": "diabetes", "set": {"task": "auto"}})
    assert chosen["task"]["_target_"] == "truefit.training.tasks.auto"


def test_an_explicit_choice_beats_the_experiment(project: Path) -> None:
    """What params.yaml says outside an experiment file wins over that file."""
    config = resolve({"experiment": "quick", "training": {"epochs": 7}})

    assert (config["training"]["epochs"], config["search"]["n_trials"]) == (7, 4)


def test_the_committed_configuration_is_current(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """resolved.yaml in the repository is what compose makes of params.yaml and conf/."""
    monkeypatch.setattr(
        "truefit.stages.compose._path_faults", lambda _: []
    )  # the data may be elsewhere
    config = resolve(read_yaml(ROOT / "params.yaml"))
    committed = read_yaml(ROOT / "resolved.yaml")

    assert committed.pop("source_digest")
    assert committed.pop("content_digest")
    assert committed == config


def test_a_stage_refuses_a_stale_configuration(project: Path) -> None:
    """After an edit a stage stops, unless the edit came while DVC was running the pipeline."""
    compose()
    load()
    with Path("conf/model/cnn.yaml").open("a") as file:
        file.write("# edited\n")

    with pytest.raises(UserError, match="older than"):
        load()
    read = "python -c 'from truefit.core.resolved import load; load()'"
    during = run("sh", "-c", f"echo '#' >> params.yaml; {read}; exit $?", "dvc", DVC_STAGE="train")
    time.sleep(2)  # the kernel tells when a process began to about a second
    before = run("sh", "-c", f"{read}; exit $?", "dvc", DVC_STAGE="train")
    assert (during.returncode, before.returncode) == (0, 1)
    assert "older than" in during.stderr


def test_ranges_are_gathered_by_dotted_key(project: Path) -> None:
    """Ranges beside values become the search space, and `null` takes one out again."""
    config = resolve({"set": {"model": {"space": {"depth": None}}}})

    assert set(config["search"]["space"]) == {"model.dropout", "optimizer.learning_rate"}


@pytest.mark.parametrize("choice", [{"search": "grid"}, {"set": {"search": "grid"}}])
def test_ranges_that_are_set_win_over_those_of_a_chosen_search(
    project: Path, choice: dict[str, Any]
) -> None:
    """A grid's own ranges hold where params.yaml sets none; what stands below `search` is last."""
    mine = {
        "optimizer": {"space": {"learning_rate": "choice(0.001, 0.1)"}},
        "model": {"space": {"depth": None, "units": "choice(32, 64, 128)"}},
    }
    params = {**choice, "set": {**choice.get("set", {}), **mine}}

    space = resolve(params)["search"]["space"]

    assert space == {
        "optimizer.learning_rate": "choice(0.001, 0.1)",
        "model.units": "choice(32, 64, 128)",
        "model.dropout": "choice(0.0, 0.2, 0.4, 0.6)",
    }
    below = {"search": {"space": {"model.depth": "choice(1, 2)"}}, "set": mine}
    assert resolve(below)["search"]["space"]["model.depth"] == "choice(1, 2)"


@pytest.mark.parametrize(
    ("block", "key", "expected"),
    [
        ({"split": {"validation": 30}}, "data.split.validation", "less than 1"),
        ({"split": {"validation": "a"}}, "data.split.validation", "number or input .* list"),
        ({"_target_": "truefit.datasets.frames.csv", "path": "data/raw", "target": "y",
          "decimal": ";"}, "data.decimal", "'.' or ','"),
        ({"_target_": "truefit.datasets.frames.csv", "path": "data/raw", "target": "y",
          "max_categories": 0}, "data.max_categories", "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_a_wrong_value_has_one_message(
    project: Path, block: dict[str, Any], key: str, expected: str
) -> None:
    """Also where several types may stand: no second line says that it is no list."""
    with pytest.raises(UserError, match=f"{key}: .*{expected}") as refusal:
        resolve({"set": {"data": block}})

    assert str(refusal.value).count(key) == 1


def test_composing_what_was_composed_changes_nothing(project: Path) -> None:
    """Dumping and reading a configuration gives the same values, numbers as numbers."""
    config = resolve({})

    assert OmegaConf.to_container(OmegaConf.create(dump(config))) == config
    assert override(config, flatten({k: v for k, v in config.items() if k != "search"})) == config


def test_a_broken_file_of_conf_is_named_with_its_line(project: Path) -> None:
    """A syntax error in a chosen YAML gives file and line without a traceback."""
    Path("conf/model/mlp.yaml").write_text(
        "_target_: truefit.models.mlp.mlp\ndepth: [1\nunits: 3\n"
    )

    with pytest.raises(UserError, match=r"mlp\.yaml:\d+ is not YAML"):
        resolve({})


def test_a_misspelt_default_is_named_with_the_nearest_file(project: Path) -> None:
    """A file of conf/ that builds on one that is not there gets the names that are."""
    Path("conf/model/own.yaml").write_text("defaults: [mpl, _self_]\nunits: 3\n")

    with pytest.raises(UserError, match="Did you mean `mlp`"):
        resolve({"model": "own"})


def test_an_engine_is_chosen_by_its_name_with_values_beside_it(project: Path) -> None:
    """`++set.search.engine.name=slurm` and a value of it on one command line are that engine."""
    block = {"name": "slurm", "cluster": "local"}

    engine = resolve({"set": {"search": {"engine": block}}})["search"]["engine"]

    assert engine["name"] == "slurm"
    assert (engine["cluster"], engine["cpus"]) == ("local", 2)


def test_git_sees_a_choice_that_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC writes params.yaml and git's index within a second; compose sets them apart again."""
    file = Path("params.yaml")
    file.write_text("model: mlq\n")
    monkeypatch.setenv("DVC_EXP_NAME", "try")
    before = file.stat().st_mtime_ns

    with pytest.raises(UserError, match="git checkout HEAD --"):
        compose()

    assert file.stat().st_mtime_ns - before == 10**9


@pytest.mark.parametrize(
    ("path", "called"),
    [("data/raw/customers.csv", "customers"), ("data/raw", "csv"), (None, "csv")],
)
def test_data_are_called_by_their_file(path: str | None, called: str) -> None:
    """Runs, data sets and reports of two tables are told apart; without a file by the function."""
    data = {**sections.data(), "_target_": "truefit.datasets.frames.csv", "path": path}

    assert names(sections.config(data=data)) == ("mlp", called)


def test_a_reference_to_no_key_names_the_key_that_has_it(project: Path) -> None:
    """OmegaConf says what is not there, and the message where that is asked for."""
    with pytest.raises(UserError, match=r"training.epochs: Interpolation key 'search.epoch' not"):
        resolve({"set": {"training": {"epochs": "${search.epoch}"}}})
