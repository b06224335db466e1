"""What compose and the command line say of edits that would have no effect or would be lost."""

from __future__ import annotations

import contextlib
import io
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, edit, git, run
from dvc.utils.hydra import apply_overrides
from hydra.core.override_parser.overrides_parser import OverridesParser
from typer.testing import CliRunner

from truefit.cli import app
from truefit.config.edits import removals
from truefit.config.overrides import assignment
from truefit.core.errors import UserError
from truefit.core.resolved import load, read_yaml
from truefit.search.check import _pruner_faults
from truefit.stages.compose import compose, resolve


def composed(params: str) -> str:
    """What compose prints for a params.yaml."""
    Path("params.yaml").write_text(params)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        compose()
    return said.getvalue()


def refusal(params: str) -> str:
    """How compose refuses a params.yaml."""
    Path("params.yaml").write_text(params)
    with pytest.raises(UserError) as refused:
        compose()
    return str(refused.value)


def test_a_value_that_set_overrides_is_named(project: Path) -> None:
    """DVC's own hint writes at the top, where a value below `set:` wins: the line says so."""
    said = composed("path: data/raw\ntraining: {patience: 3}\nset: {training: {patience: 5}}\n")

    assert "`training.patience: 3` has no effect" in said
    assert "-S '~set.training.patience'" in said
    assert load()["training"]["patience"] == 5


def test_the_same_value_twice_is_no_matter(project: Path) -> None:
    """Nothing is said where both places agree, or the top leaves it open."""
    same = "training: {patience: 5, epochs: null}\nset: {training: {patience: 5, epochs: 3}}\n"

    assert "has no effect" not in composed(f"path: data/raw\n{same}")


def test_keys_of_other_data_name_their_way_out(project: Path) -> None:
    """After a change of data the whole block below `set:` goes, and a right key stays."""
    other = "path: data/raw\ndata: digits\nset: {data: {target: churned}"
    all_of_it = refusal(f"{other}}}\n")
    block = refusal(f"{other}, training: {{patience: 3}}}}\n")
    one = refusal("path: data/raw\nset: {data: {target: churned, normalize: true}}\n")

    assert "data.target" in all_of_it
    assert "`dvc exp run -S 'set=null'`" in all_of_it
    assert "`dvc exp run -S '~set.data'`" in block
    assert "`dvc exp run -S '~set.data.target'`" in one


IRIS = "data: iris\nset: {data: {normalize: true, "
MLP = "model: mlp\nset: {model: {units: 32, "


@pytest.mark.parametrize(
    ("params", "options"),
    [
        (IRIS + "types: {zip: category}}}", "-S '~set.data.types'"),
        (
            IRIS + "target: churned, types: {zip: category}}}",
            "-S '~set.data.target' -S '~set.data.types'",
        ),
        (
            IRIS + "decimal: {price: ','}, split: {validation: 0.3, shuffled: true}}}",
            "-S '~set.data.decimal' -S '~set.data.split.shuffled'",
        ),
        (MLP + "space: {filters: 'choice(8, 16)'}}}", "-S '~set.model.space'"),
        (
            MLP + "filters: 8, space: {filters: 'choice(8, 16)', kernel: 'choice(3, 5)'}}}",
            "-S '~set.model.filters' -S '~set.model.space'",
        ),
        (
            MLP + "filters: 8}, search: {space: {model.filters: 'choice(8, 16)'}, window: 4}}",
            "-S '~set.model.filters' -S '~set.search.space'",
        ),
        (
            MLP + "filters: 8}, search: {space: {model.filters: 'choice(8, 16)', "
            "model.units: 'choice(16, 32)'}}}",
            "-S '~set.model.filters' -S '++set.search.space.model.filters=null'",
        ),
    ],
)
def test_one_command_takes_out_all_that_nothing_takes(
    project: Path, params: str, options: str
) -> None:
    """Blocks and ranges too; what `-S` would not find, as its key has a dot, becomes null."""
    said = refusal(f"path: data/raw\n{params}\n")

    assert f"`dvc exp run {options}` removes it" in said


def test_a_misspelt_key_is_not_to_be_taken_out(project: Path) -> None:
    """Where a key is near another one, the message names that one alone."""
    said = refusal("path: data/raw\nset: {training: {patiense: 3}}\n")

    assert "Did you mean `training.patience`?" in said
    assert "~set" not in said


def test_removals_of_values_at_the_top() -> None:
    """A value at the top is taken out by its own key, and a block by null."""
    top = {"data": {"target": "x"}, "training": {"epochs": 3, "old": 1}}

    found = removals(top, {"data.target", "data.other", "training.old"})

    assert found == ["data=null", "~training.old"]


@pytest.mark.parametrize("comment", ["", "  # any other value"])
@pytest.mark.parametrize(
    "overrides",
    [
        ["+model.filters=8"],
        ["+data.target=y", "++set.data.types.a=number"],
        ["++set.data.target=y"],
        ["++set.data.target=y", "++set.training.patience=3"],
        ["++set.model.space.filters='choice(8, 16)'"],
        ["+patience=3"],
        ["+split.validation=0.3"],
        ["++set.search.sampler=tpe"],
    ],
)
def test_what_a_message_names_is_all_that_is_to_do(
    project: Path, overrides: list[str], comment: str
) -> None:
    """Pasted as it stands, and applied as DVC does, it leaves a file that composes."""
    text = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("set: {}\n", f"set: {{}}{comment}\n"))
    apply_overrides("params.yaml", overrides)

    said = refusal(Path("params.yaml").read_text())
    words = shlex.split(said.partition("`dvc exp run ")[2].partition("`")[0])
    apply_overrides("params.yaml", words[1::2])

    assert words[::2] == ["-S"] * len(words[1::2])
    assert resolve(read_yaml(Path("params.yaml")))


MOVED = "-S '~split' -S '++set.data.split.validation=0.3' -S '++set.data.split.test=0.2'"


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ("patience: 3", "`search.patience` or `training.patience`? `dvc exp run -S '~patience' -S"),
        (
            "split: {validation: 0.3, test: 0.2}",
            f"`data.split`? `dvc exp run {MOVED}` sets the key",
        ),
        ("set: {split: {time: at}}", "-S '~set.split' -S '++set.data.split.time=at'` sets the key"),
        ("set: {group: 'a, b'}", "-S '~set.group' -S '++set.data.split.group=\"a, b\"'` sets"),
        ("set: {data.types.b: number}", "it is a block: `data: {types: {b: number}}`"),
        ("training.epochs: 3", "it is a block: `training: {epochs: 3}`"),
        ("set: {data: {split: {groups: a}}}", "Did you mean `data.split.group`?"),
        ("set: {data: {split: {g: a}}}", "duplicates, group, stratify, test, time, validation"),
        ("set: {training: {learning_rate: 1}}", "Did you mean `optimizer.learning_rate`?"),
        ("set: {search: {fold: {n_splits: 3}}}", "Did you mean `search.folds`?"),
        ("split: 0.2", "Did you mean a key of `data.split`?"),
        ("set: {search: {pruner: none}}", "Did you mean `pruner`?"),
        (
            "set: {search: {sampler: grid}}",
            "`dvc exp run -S '++set.search=grid'` chooses conf/search",
        ),
        ("set: {frobnicate: 3}", "there is no such key."),
    ],
)
def test_a_key_in_the_wrong_place_leads_to_the_right_one(
    project: Path, params: str, hint: str
) -> None:
    """As DVC's own `+split.validation=0.3` would write it; what is named takes it out there too."""
    assert hint in refusal(f"path: data/raw\n{params}\n")


def test_a_block_does_not_take_the_place_of_a_choice(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-S +model.filters=8` after `model: cnn` is refused, with the form that keeps the choice."""
    Path("params.yaml").write_text("path: data/raw\nmodel: cnn\n")
    git("commit", "-qam", "cnn")
    monkeypatch.setenv("DVC_EXP_NAME", "one")

    said = refusal("path: data/raw\nmodel: {filters: 8}\n")

    assert "expected the choice `cnn` to stay" in said
    assert "dvc exp run -S '++set.model.filters=8'" in said


def test_an_edit_of_conf_that_params_overrides_is_named(repository: Path) -> None:
    """Whoever edits conf/ learns that params.yaml has the last word on that key."""
    before = composed("path: data/raw\ntraining: {epochs: 3}\n")
    edit("conf/training/default.yaml", "epochs: 40", "epochs: 50")

    assert "an edit in conf/ has no effect" not in before
    assert "training.epochs=3" in composed("path: data/raw\ntraining: {epochs: 3}\n")
    assert "an edit in conf/" not in composed("path: data/raw\n")


def test_an_edit_of_resolved_yaml_is_refused_and_then_lost(project: Path) -> None:
    """A stage does not run what nobody chose; compose says that the edit is lost."""
    params = "path: data/raw\ntraining: {epochs: 3}\n"
    composed(params)
    edit("resolved.yaml", "epochs: 3", "epochs: 99")

    with pytest.raises(UserError, match=r"resolved.yaml was edited by hand: `dvc repro compose`"):
        load()
    assert "resolved.yaml was edited by hand" in composed(params)
    assert load() == resolve(read_yaml(Path("params.yaml")))


def test_a_stage_by_hand_says_that_dvc_does_not_know(project: Path) -> None:
    """One sentence outside of DVC; none where DVC runs the stage."""
    command = (sys.executable, "pipelines/compose.py")

    assert "this stage runs by hand" in run(*command).stderr
    assert run(*command, DVC_STAGE="compose").stderr == ""


def test_a_missing_output_is_made_by_its_stage(project: Path) -> None:
    """Git has no output of a stage, so the message names DVC's stage; for other files git."""
    composed("path: data/raw\n")

    said = run(sys.executable, "pipelines/train.py").stderr

    assert "outputs/search/best.yaml is not there: `dvc repro search` makes it" in said
    with pytest.raises(UserError, match=r"`git checkout conf/model/no\.yaml` brings"):
        read_yaml(Path("conf/model/no.yaml"))


def test_another_python_is_named(project: Path) -> None:
    """DVC of another environment finds a `python` without the packages: no traceback."""
    done = run(sys.executable, "-S", "pipelines/compose.py")

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {sys.executable} has no package ")
    assert "`source .venv/bin/activate`" in done.stderr


def test_commands_find_the_project_from_a_folder_below(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`truefit` goes up to the project, and takes files as the caller names them."""
    composed("path: data/raw\n")
    below = project / "data" / "raw"
    monkeypatch.chdir(below)
    shown = CliRunner().invoke(app, ["show"])
    here = Path.cwd()
    monkeypatch.chdir(below)
    predicted = CliRunner().invoke(app, ["predict", "rows.csv"])

    assert "no result here yet" in shown.stderr
    assert here == project
    assert str(below / "rows.csv") in predicted.stderr


def test_init_quotes_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that is printed can be pasted, also for a folder with a space in its name."""
    monkeypatch.chdir(tmp_path)

    said = CliRunner().invoke(app, ["init", "my project"])

    assert said.exit_code == 0, said.output
    assert "  cd 'my project'" in said.output.splitlines()


CMAES = "sampler: {_target_: optuna.samplers.CmaEsSampler}"
ONE_NUMBER = "space: {model.depth: null, optimizer.learning_rate: null}"
GP = "sampler: {_target_: optuna.samplers.GPSampler}"
CONDITION = "{space: 'interval(1e-8, 1e-3)', when: {model.activation: gelu}}"


@pytest.mark.parametrize(
    ("search", "drawn"),
    [
        (CMAES, "model.activation"),
        (f"{CMAES}, {ONE_NUMBER}", "model.activation, model.dropout"),
        (f"{GP}, space: {{optimizer.epsilon: {CONDITION}}}", "optimizer.epsilon"),
    ],
)
def test_what_a_sampler_draws_at_random_is_named(project: Path, search: str, drawn: str) -> None:
    """CMA-ES learns from numbers alone, and GP and NSGA from no condition; Optuna only logs it."""
    space = "model: {space: {activation: 'choice(relu, gelu)'}}"

    said = composed(f"path: data/raw\nset: {{{space}, search: {{{search}}}}}\n")

    assert f"draws {drawn} at random" in said
    assert "at random" not in composed(f"path: data/raw\nset: {{{space}}}\n")


@pytest.mark.parametrize(
    ("path", "way"),
    [("~/rows.csv", "path: DVC knows no `~`"), ("C:\\Users\\ada\\rows.csv", "/mnt/c in WSL")],
)
def test_a_path_that_dvc_does_not_read_is_refused(project: Path, path: str, way: str) -> None:
    """Before DVC looks for a folder named `~`, or for a file with the whole path as its name."""
    said = refusal(f"path: '{path}'\ndata: csv\nset: {{data: {{target: b}}}}\n")

    assert way in said


def test_a_pruner_that_would_end_no_trial_is_refused(project: Path) -> None:
    """Optuna takes it, finds no instances to compare, and every trial runs to its end."""
    wilcoxon = "{pruner: {_target_: optuna.pruners.WilcoxonPruner}}"

    assert "WilcoxonPruner compares trials" in refusal(
        f"path: data/raw\npruner: none\nset: {wilcoxon}\n"
    )


def test_the_pruner_that_another_one_holds_is_seen_by_its_target() -> None:
    """Not by its name in any other text."""
    held = {"_target_": "optuna.pruners.WilcoxonPruner"}
    patient = {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": held}
    named = {"_target_": "own.Pruner", "note": "unlike a WilcoxonPruner"}
    configs: list[Any] = [
        {"search": {"objective": "loss"}, "pruner": pruner} for pruner in (patient, named)
    ]

    assert [len([*_pruner_faults(config)]) for config in configs] == [1, 0]


def test_an_assignment_is_what_hydra_reads_back() -> None:
    """Whatever the value: no text becomes a sweep, a number or nothing on its way."""
    values: list[object] = [
        "a", "choice(1, 2)", "5", "null", 'it"s', "a,b", "data/raw/my rows.csv", "", "?", "-", 3,
        1e-5, True, None, [1, "x, y"], "1e-3", "a: b", "x ", " x", "[", "a=b", "~/x", ".5", "C:\\x",
        "end\\",
    ]  # fmt: skip

    parser = OverridesParser.create()
    read = [parser.parse_override(assignment("set.a", value)).value() for value in values]

    assert read == values
