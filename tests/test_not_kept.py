"""What git and DVC do not keep is said: data, edits, new files of a temporary experiment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import git
from test_edits import composed, refusal

from truefit.commands.doctor import examine


def test_data_that_nothing_keeps_are_named(repository: Path) -> None:
    """Raw data in neither git nor DVC get a line with `dvc add`; what DVC has gets none."""
    file = Path("data/raw/my rows.csv")
    file.write_text("a,b\n1,0\n2,1\n")
    params = f"path: {file}\ndata: csv\nset: {{data: {{target: b}}}}\n"

    assert "`dvc add 'data/raw/my rows.csv'`" in composed(params)
    Path("data/raw/.gitignore").write_text("/my rows.csv\n")  # as `dvc add` does
    Path("data/raw/my rows.csv.dvc").write_text("outs: []\n")
    assert "dvc add" not in composed(params)


@pytest.mark.parametrize(
    ("ignored", "named", "then"),
    [
        ("data/", "data/raw/rows.csv", "`dvc add data/raw/rows.csv`"),
        ("*.csv", "data/raw/rows.csv", "`dvc add data/raw/rows.csv`"),
        ("model/", "conf/model/wide.yaml", "`git add conf/model/wide.yaml`"),
        ("*.log", "", ""),
    ],
)
def test_what_a_gitignore_hides_is_named(
    ignored: str, named: str, then: str, repository: Path
) -> None:
    """A line such as `data/` keeps rows and choices out of every commit: compose says so."""
    Path("data/raw/rows.csv").write_text("a,b\n1,0\n2,1\n")
    shutil.copy("conf/model/mlp.yaml", "conf/model/wide.yaml")
    Path(".git/info/exclude").write_text(f"{ignored}\n")

    said = composed("path: data/raw/rows.csv\ndata: csv\nset: {data: {target: b}}\n")

    assert (f"git ignores {named}" in said) == bool(named)
    assert then in said


def test_a_repository_without_a_commit_is_named(project: Path) -> None:
    """One line with the command that makes the first commit; none once it is made."""
    git("init", "-q", "-b", "main")
    git("config", "user.name", "tester")
    git("config", "user.email", "tester@example.com")
    before = composed("path: data/raw\n")
    git("add", "-A")
    git("commit", "-qm", "start")

    assert "git has no commit yet" in before
    assert "no commit" not in composed("path: data/raw\n")


def test_a_temporary_experiment_says_which_files_it_lacks(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A choice that nobody has told git about is not only called unknown."""
    git("worktree", "add", "-q", str(tmp_path / "exp"))
    shutil.copy("conf/model/mlp.yaml", "conf/model/wide.yaml")
    monkeypatch.chdir(tmp_path / "exp")
    monkeypatch.setenv("DVC_ROOT", str(repository))
    monkeypatch.setenv("DVC_EXP_NAME", "one")

    said = refusal("path: data/raw\nmodel: wide\n")

    assert "there is no conf/model/wide.yaml" in said
    assert "this experiment lacks them: `git add conf/model/wide.yaml`" in said
    assert "undoes" not in said  # that folder goes with what `-S` wrote
    assert "note: git does not know conf/model/wide.yaml" in composed("path: data/raw\n")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # a pipeline in a folder of the project
    assert "this experiment lacks" not in composed("path: data/raw\n")


def test_a_folder_that_git_does_not_trust_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container: runs that name no commit are said to, with the way out."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    said = composed("path: data/raw\n")
    found = next(one for one in examine() if one.what == "git")

    assert "runs name no commit" in said
    assert (found.state, found.said) == ("note", "no commit can be read")
    assert f"`git config --global --add safe.directory {repository}`" in said
