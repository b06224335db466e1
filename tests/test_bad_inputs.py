"""Bad inputs of every door: one clear message each, an exit code that is not 0, nothing lost."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bad_inputs import COMMANDS, CONFIGURATIONS, ROWS, SOURCES, TABLE
from conftest import copy_project
from typer.testing import CliRunner

from truefit.cli import app
from truefit.stages import run as stage
from truefit.stages.compose import compose
from truefit.stages.preprocess import preprocess


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A composed project as the working directory of all these tests."""
    folder = copy_project(tmp_path_factory.mktemp("bad") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        compose()
        np.save("rows.npy", np.zeros((2, 8, 8, 1)))
        Path("junk.db").write_bytes(b"no database " * 200)
        yield folder


@pytest.fixture(autouse=True)
def as_it_was(place: Path) -> Iterator[None]:
    """What a message is about, and what was there before, is there after it."""
    kept = {name: Path(name).read_bytes() for name in ("params.yaml", "resolved.yaml", "junk.db")}
    kept_path = list(sys.path)
    yield
    sys.path[:] = kept_path
    for name in ("resolved.yaml", "junk.db"):
        assert Path(name).read_bytes() == kept[name]
    Path("params.yaml").write_bytes(kept["params.yaml"])


def messages(said: str) -> int:
    """How many there are: ours, and those of the command line's own parser."""
    return sum(line.startswith(("error: ", "╭─ Error")) for line in said.splitlines())


def refused(action: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> str:
    """The one message with which a stage ends."""
    with pytest.raises(SystemExit) as ended:
        stage.run(action)
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert messages(said.err) == 1
    assert "Traceback" not in said.err + said.out
    return said.err


@pytest.mark.parametrize(("params", "named"), CONFIGURATIONS)
def test_a_bad_configuration_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], params: str, named: str
) -> None:
    """Compose names the key or the file, and resolved.yaml stays."""
    Path("params.yaml").write_text(f"{params}\n")

    assert named in refused(compose, capsys)


@pytest.mark.parametrize("case", SOURCES)
def test_bad_data_are_refused(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Compose or preprocess names the file, the column or the key, and writes nothing."""
    source, block, files, named = SOURCES[case]
    raw = place / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    for name, content in files.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(content or b"")
    only = list(files) if len(files) == 1 and "/" not in next(iter(files)) else []
    monkeypatch.setattr("truefit.stages.compose.RESOLVED", place / "raw" / "resolved.yaml")
    monkeypatch.setattr("truefit.core.resolved.RESOLVED", place / "raw" / "resolved.yaml")
    params = {"data": source, "path": f"raw/{''.join(only)}", "set": {"data": block}}
    Path("params.yaml").write_text(json.dumps(params))

    def compose_and_preprocess() -> None:
        compose()
        preprocess()

    assert named in refused(compose_and_preprocess, capsys)

    assert not Path("data/prepared").exists()
    assert {name: (raw / name).read_bytes() for name in files} == files


@pytest.mark.parametrize("name", ROWS)
def test_bad_rows_are_refused(place: Path, name: str) -> None:
    """`truefit predict` names the file before it loads a model."""
    content, file = ROWS[name], place / name
    if content is None:
        file.mkdir()
    elif isinstance(content, bytes):
        file.write_bytes(content)

    done = CliRunner().invoke(app, ["predict", name])

    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 1
    assert messages(done.output) == 1
    assert name in done.output
    assert "expected" in done.output or "cannot be read" in done.output or "no " in done.output


@pytest.mark.parametrize(("line", "environment", "named"), COMMANDS)
def test_a_bad_command_line_is_refused(
    place: Path, line: str, environment: dict[str, str], named: str
) -> None:
    """Whatever is typed after `truefit`, or stands in its environment, ends in one message."""
    before = {file.name for file in place.iterdir()}

    done = CliRunner().invoke(app, shlex.split(line), env={"COLUMNS": "200", **environment})

    assert isinstance(done.exception, SystemExit)
    assert done.exit_code in (1, 2)
    assert messages(done.output) == 1
    assert named in done.output
    assert {file.name for file in place.iterdir()} - before <= {".truefit", "junk.db.lock"}


RESULTS = {
    "no JSON": "{",
    "no object": "[]",
    "nothing in it": "{}",
    "nothing": "",
    "nested": "[" * 100_000,
    "NaN alone": "NaN",
}


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("name", ["evaluate/metrics.json", "train/run.json"])
def test_a_broken_result_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    """`truefit show` names the file and what brings it back."""
    monkeypatch.chdir(tmp_path)
    metrics = {"test": {}, "headline": "accuracy", "gap": 0.0, "verdict": "good"}
    for file, text in (("evaluate/metrics.json", json.dumps(metrics)), ("train/run.json", "{}")):
        Path("outputs", file).parent.mkdir(parents=True, exist_ok=True)
        Path("outputs", file).write_text(RESULTS[kind] if file == name else text)

    done = CliRunner().invoke(app, ["show"])

    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 1
    assert f"error: outputs/{name}: expected" in done.output
    assert "`dvc checkout`" in done.output


def test_the_table_is_not_empty() -> None:
    """At least 150 bad inputs are held, and the good table that they were made from is good."""
    count = len(CONFIGURATIONS) + len(SOURCES) + len(ROWS) + len(COMMANDS) + 2 * len(RESULTS)

    assert count >= 300
    assert len(TABLE.splitlines()) == 41
