"""What data, files and trackers of others say is text on a terminal, and moves no cursor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import run

from truefit.core.errors import CONTROL, UserError
from truefit.stages import run as stage
from truefit.stages.compose import compose
from truefit.stages.preprocess import preprocess

CLEAR = "\x1b[2J"  # the screen
TITLE = "\x1b]0;owned\x07"  # of the window


def test_names_of_columns_and_classes_move_no_cursor(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table may name its columns and classes by signs that a terminal obeys: none is printed."""
    file = project / "data/raw/table.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{n % 7},1,{'yes' if n % 2 else f'no{TITLE}'}" for n in range(60)]
    file.write_text("\n".join([f"age{CLEAR},constant{CLEAR},label", *lines]))
    params = {"data": "csv", "path": "data/raw/table.csv", "set": {"data": {"target": "label"}}}
    (project / "params.yaml").write_text(json.dumps(params))

    compose()
    preprocess()

    said = capsys.readouterr()
    assert "constant" in said.out
    assert "no]0;owned" in said.out
    assert not CONTROL.search(said.out + said.err)


def test_a_message_moves_no_cursor(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error may quote a value of the data: the stage prints it without such signs."""

    def refuse() -> None:
        raise UserError(f"row 3: expected a number, received '{CLEAR}\u202e'")

    with pytest.raises(SystemExit):
        stage.run(refuse)

    said = capsys.readouterr().err
    assert "received '[2J'" in said
    assert not CONTROL.search(said)


def test_names_that_a_terminal_cannot_show_are_escaped(project: Path) -> None:
    """In a shell without a language, a column `größe 日本` ends no stage and no command."""
    shell = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    file = project / "data/raw/größe 日本.csv"
    lines = [f"{n % 7},{'ja' if n % 2 else 'größe 日本'}" for n in range(60)]
    file.write_text("\n".join(["größe 日本,本", *lines]), encoding="utf-8")
    params = {"data": "csv", "path": str(file), "set": {"data": {"target": "本"}}}
    (project / "params.yaml").write_text(json.dumps(params))

    done = [
        run(*command, PYTHONIOENCODING="ascii", **shell)
        for command in (
            [sys.executable, "pipelines/compose.py"],
            [sys.executable, "pipelines/preprocess.py"],
            ["truefit", "predict", "日本.npy"],
        )
    ]

    assert [one.returncode for one in done] == [0, 0, 1]
    assert "\\u65e5\\u672c" in done[1].stdout
    assert not any("Traceback" in one.stderr for one in done)


PRINT = """
from truefit.core.streams import use_own_streams
use_own_streams()
import subprocess, sys
file = open("kept", "w")
print("to stdout")
print("to stderr", file=sys.stderr)
child = [sys.executable, "-c", "import sys; print(sys.stdin.read(), file=sys.stderr)"]
sys.exit(subprocess.run(child).returncode or min(file.fileno(), 3) - 3)
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_the_shell_has_closed_ends_nothing(closed: str, project: Path) -> None:
    """Nothing is printed into a file that took its number, and a child process can print too."""
    done = run("sh", "-c", f'{sys.executable} -c "$0" {closed}', PRINT)

    assert done.returncode == 0, done.stderr
    assert Path("kept").read_text() == ""
    assert done.stdout == ("" if ">&-" in closed.split() else "to stdout\n")
