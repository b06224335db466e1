"""`truefit clean` lists before it removes, and leaves what any run, commit or dvc.lock needs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from conftest import run
from results import result_of
from telling import client, runs, sent, start
from typer.testing import CliRunner

from truefit.cli import app
from truefit.commands.cleaning import readable_size
from truefit.core.run import Run
from truefit.tracking.events import End, Text
from truefit.tracking.journal import Journal, journals


def truefit(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output + done.stderr
    return done.output


def journal(number: int, stage: str, text: str = "{}") -> Path:
    """A journal that MLflow has, as old as its number is small."""
    file = journals() / "sent" / f"20260101T0000{number:02d}-000000000-{stage}-1.jsonl"
    file.write_text(text + "\n")
    return file


@pytest.fixture
def used(repository: Path) -> Path:
    """A project with old journals, a checkpoint that was left, and data that nothing names."""
    for number in range(1, 7):
        journal(number, "train" if number % 2 else "evaluate")
    checkpoint = Path(".truefit/checkpoints/left.npz")
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"0" * 1000)
    os.utime(checkpoint, (time.time() - 2 * 86400,) * 2)
    for name in ("forgotten", "needed"):
        Path(name).write_text(name * 100)
        assert run("dvc", "add", name).returncode == 0
    Path("forgotten.dvc").unlink()
    return repository


def cached() -> set[str]:
    """What DVC's cache holds."""
    return {file.read_text()[:6] for file in Path(".dvc/cache/files").rglob("*") if file.is_file()}


def test_clean_removes_what_it_has_listed_and_no_more(used: Path) -> None:
    """Without `--yes` all stays; with it, old sent journals, checkpoints and unnamed data go."""
    said = truefit("clean", "--keep", "2")
    before = {file.name[13:15] for file in journals().glob("sent/*")}, cached()
    truefit("clean", "--keep", "2", "--yes")

    assert "1 files  checkpoints" in said
    assert "1 files  data and models" in said
    assert "nothing was removed" in said
    assert before == ({"01", "02", "03", "04", "05", "06"}, {"forgot", "needed"})
    assert {file.name[13:15] for file in journals().glob("sent/*")} == {
        "02",
        "03",
        "04",
        "05",
        "06",
    }
    assert cached() == {"needed"}
    assert not Path(".truefit/checkpoints/left.npz").exists()
    assert "nothing to remove" in truefit("clean", "--keep", "2")


def test_clean_keeps_what_is_not_sent_and_what_lies_here(used: Path) -> None:
    """A journal that MLflow lacks, and that of the training whose model is here, stay."""
    waiting = journals() / "20250101T000000-000000000-train-1.jsonl"
    waiting.write_text("{}\n")
    own = journal(0, "train", '{"run": "mine"}')
    Path("outputs/train").mkdir(parents=True)
    Run(result=result_of(0.25), run="mine").write(Path("outputs/train/run.json"))

    truefit("clean", "--keep", "1", "--yes")

    assert waiting.exists()
    assert own.exists()
    assert not (own.parent / own.name.replace("00-", "01-", 1)).exists()


@pytest.mark.slow
def test_clean_removes_the_files_of_deleted_runs(repository: Path) -> None:
    """A run that somebody deleted in MLflow goes with its files; the others keep theirs."""
    told = Journal.create("truefit", "train")
    for name in ("kept", "deleted"):
        start(told, name)
        told.write(Text(run=name, path="note.txt", text=name))
        told.write(End(run=name, state="complete", metrics={}))
    told.close()
    told.release()
    sent()
    by_name = {one.data.tags["truefit.run"]: one.info for one in runs()}
    client().delete_run(by_name["deleted"].run_id)

    said = truefit("clean", "--yes")

    assert "1 files  1 runs that were deleted" in said
    assert [file.read_text() for file in Path("mlartifacts").rglob("note.txt")] == ["kept"]


@pytest.mark.parametrize(
    ("size", "said"), [(999, "999 B"), (1000, "1.0 kB"), (2.5e6, "2.5 MB"), (3e9, "3.0 GB")]
)
def test_sizes_are_readable(size: float, said: str) -> None:
    """Bytes as people read them."""
    assert readable_size(size) == said
