"""After any `kill -9` of DVC the next one runs: what it left is cleared, and nothing that lives."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, git, run

from truefit.commands import doctor
from truefit.stages.leftovers import clear, is_running, leftovers

RWLOCK = Path(".dvc/tmp/rwlock")
SLOW = f"{sys.executable} -c 'import time; time.sleep(60)' && touch out"
PIPELINE = "stages:\n  one:\n    cmd: {cmd}\n    deps: [given]\n    outs: [out]\n"


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project of one stage."""
    folder = tmp_path_factory.mktemp("leftovers") / "project"
    folder.mkdir()
    assert run("dvc", "init", "--no-scm", "-q", cwd=folder).returncode == 0
    (folder / "given").write_text("1")
    (folder / "dvc.yaml").write_text(PIPELINE.format(cmd="cp given out"))
    return folder


@pytest.fixture
def small(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory."""
    folder = tmp_path / "project"
    shutil.copytree(pattern, folder)
    (folder / RWLOCK.parent).mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def zombie() -> Iterator[int]:
    """The number of a process that has ended, and that its parent has not reaped."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


def locked_by(pid: int) -> None:
    """As DVC has it while it runs the stage."""
    known = {"pid": pid, "cmd": "dvc repro"}
    held = {"write": {str(Path("out").absolute()): known}, "read": {}}
    RWLOCK.write_text(json.dumps(held))


def repro() -> subprocess.CompletedProcess[str]:
    return run("dvc", "repro")


@pytest.mark.slow
def test_a_zombie_holds_no_lock(small: Path, zombie: int) -> None:
    """DVC takes its number for a living process; cleared, the pipeline runs."""
    locked_by(zombie)
    assert "is busy" in repro().stderr
    said: list[str] = []

    assert clear(small, said.append) == 1

    assert said == [".dvc/tmp/rwlock names 1 processes that have ended: cleared"]
    assert repro().returncode == 0
    assert Path("out").read_text() == "1"


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", '{"write": {"/a": {"pi', "[]", '{"write": {"/a": 3}}'])
@pytest.mark.parametrize("lock", [".dvc/tmp/rwlock", ".dvc/tmp/exps/rwlock"])
def test_a_torn_lock_is_removed(small: Path, lock: str, text: str) -> None:
    """DVC refuses it for good; removed, the pipeline runs."""
    Path(lock).parent.mkdir(exist_ok=True)
    Path(lock).write_text(text)
    if lock == str(RWLOCK):
        assert "RWLock-file" in repro().stderr

    assert clear(small, print) == 1

    assert repro().returncode == 0
    assert list(leftovers(small)) == []


@pytest.mark.slow
def test_a_torn_lock_file_of_the_pipeline_is_made_anew(small: Path) -> None:
    """DVC finds the stages' results again by its run cache."""
    assert repro().returncode == 0
    whole = Path("dvc.lock").read_text()
    refused = []
    for text in ("", whole[: len(whole) // 2], "stages:\n  one:\n", "{"):
        Path("dvc.lock").write_text(text)
        refused.append(repro().returncode != 0)

        assert clear(small, print) == refused[-1]

        assert repro().returncode == 0
        assert Path("dvc.lock").read_text() == whole
    assert any(refused)


def test_what_dvc_notes_of_an_experiment_is_removed_where_it_is_torn(small: Path) -> None:
    """`dvc exp run` reads it before it writes it; one that is whole stays."""
    notes = [Path(f".dvc/tmp/exps/run/{name}/{name}.run") for name in ("workspace", "other")]
    for note, text in zip(notes, ["", "{}"], strict=True):
        note.parent.mkdir(parents=True)
        note.write_text(text)

    assert clear(small, print) == 1

    assert [note.exists() for note in notes] == [False, True]


def test_a_number_that_another_program_has_now_holds_no_lock(small: Path) -> None:
    """A process that began after the lock was written cannot have written it."""
    locked_by(os.getpid())
    assert list(leftovers(small)) == []
    before = time.time() - 7 * 24 * 3600
    os.utime(RWLOCK, (before, before))

    assert clear(small, print) == 1

    assert json.loads(RWLOCK.read_text()) == {"write": {}, "read": {}}


@pytest.mark.slow
def test_what_lives_keeps_its_locks(small: Path, zombie: int) -> None:
    """What a DVC that lives holds stays, also where a file of it is empty just now."""
    Path("dvc.yaml").write_text(PIPELINE.format(cmd=SLOW))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    living = subprocess.Popen(
        ["dvc", "repro"], env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 240
        while not (RWLOCK.exists() and str(living.pid) in RWLOCK.read_text()):
            assert time.monotonic() < until
            time.sleep(0.05)
        held = json.loads(RWLOCK.read_text())
        assert is_running(small)
        assert list(leftovers(small)) == []
        mixed = {**held, "read": {"/b": [{"pid": zombie, "cmd": "dvc repro"}]}}
        RWLOCK.write_text(json.dumps(mixed))
        assert clear(small, print) == 1
        assert json.loads(RWLOCK.read_text())["write"] == held["write"]
        RWLOCK.write_text("")
        assert clear(small, print) == 0
        assert RWLOCK.exists()
    finally:
        os.killpg(living.pid, 9)
        living.wait()
    assert clear(small, print) == 1


def test_the_doctor_says_what_is_locked_and_clears_it(small: Path) -> None:
    """Its line names the file and the command, and after `--fix` it is ok."""
    RWLOCK.write_text("")
    with pytest.raises(doctor.NeedsMendingError, match=r"\.dvc/tmp/rwlock is empty") as found:
        doctor._locks()
    assert "truefit doctor --fix" in found.value.mend
    said: list[str] = []

    doctor.fix(said.append)

    assert len(said) == 1
    assert doctor._locks() == "no process that has ended holds one"


@pytest.fixture
def index_lock(small: Path) -> Path:
    """Git's lock on its index, as a git that was killed a minute ago leaves it."""
    git("init", "-q")
    lock = small / ".git/index.lock"
    lock.touch()
    os.utime(lock, (time.time() - 60,) * 2)
    return lock


def test_the_lock_of_a_killed_git_is_named_and_cleared(small: Path, index_lock: Path) -> None:
    """Git refuses to work as long as it is there; it names no process, so its age counts."""
    with pytest.raises(
        doctor.NeedsMendingError, match=r"\.git/index\.lock was left by a git or DVC"
    ):
        doctor._locks()
    assert clear(small, print) == 1
    git("add", "dvc.yaml")

    index_lock.touch()

    assert clear(small, print) == 0
    assert index_lock.exists()


def test_the_lock_of_a_living_git_stays(small: Path, index_lock: Path, tmp_path: Path) -> None:
    """Also where that works in a folder below, and not where it works in another project."""
    (tmp_path / "other").mkdir()
    (small / "below").mkdir()
    kept = []
    for folder in (small, small / "below", tmp_path / "other"):
        living = subprocess.Popen(
            ["git", f"--git-dir={small / '.git'}", "cat-file", "--batch"], cwd=folder,
            stdin=subprocess.PIPE,
        )  # fmt: skip
        try:
            kept.append(list(leftovers(small)) == [])
        finally:
            living.communicate()

    assert kept == [True, True, False]


def test_the_lock_of_a_repository_above_the_project_is_cleared(
    small: Path, index_lock: Path
) -> None:
    """A project in a folder of a repository names it by its whole path."""
    below = small / "below"
    below.mkdir()
    said: list[str] = []

    assert clear(below, said.append) == 1

    assert said[0].startswith(f"{index_lock} was left")


@pytest.mark.parametrize("makefile", ["Makefile", "src/truefit/commands/template/Makefile.j2"])
def test_make_repro_clears_before_dvc_looks(makefile: str) -> None:
    """Here and in a new project: `dvc repro` alone would fail for good on a torn lock."""
    recipe = (ROOT / makefile).read_text().partition("\nrepro:")[2].partition("\n\n")[0]

    module = recipe.partition("python -m ")[2].split()[0]
    assert importlib.util.find_spec(module)
    assert module == clear.__module__
    assert recipe.index("python -m ") < recipe.index("dvc repro")


@pytest.mark.slow
@pytest.mark.parametrize("makefile", ["Makefile", "src/truefit/commands/template/Makefile.j2"])
def test_make_repro_runs_after_a_kill(small: Path, makefile: str) -> None:
    """`make` itself clears the torn lock, and the pipeline runs."""
    RWLOCK.write_text('{"write": {"/a": {"pi')

    done = run(
        "make", "-f", str(ROOT / makefile), "-o", ".venv/installed", "repro",
        PYTHONPATH=str(ROOT / "src"),
    )  # fmt: skip

    assert ".dvc/tmp/rwlock is empty or torn" in done.stdout
    assert Path("out").read_text() == "1", done.stderr
