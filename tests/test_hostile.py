"""What a tracker, a file or a configuration of others tries, and is refused with one message."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from conftest import copy_project, git

from truefit.core.errors import UserError
from truefit.stages.compose import resolve
from truefit.tracking.artifacts import require_own
from truefit.tracking.records import Record, from_mlflow
from truefit.tracking.store import Store
from truefit.verify import verify as again
from truefit.verify.verdict import CouldNotTryError
from truefit.verify.work_tree import environment_of, run_stage

NEW = "diff --git a/{name} b/{name}\nnew file mode {mode}\n--- /dev/null\n+++ b/{name}\n"
LINK = "@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A project with one commit, as the working directory, and the commit's name."""
    folder = copy_project(tmp_path_factory.mktemp("hostile") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        git("init", "-q", "-b", "main")
        git("add", "-A")
        git("commit", "-qm", "start")
        yield folder, git("rev-parse", "HEAD").strip()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the verifier's that no record may read."""
    file = tmp_path / "secret.yaml"
    file.write_text("_target_: truefit.models.mlp.mlp\nunits: 77\n")
    return file


def record(folder: Path, commit: str, diff: str) -> Record:
    """A run that somebody else's tracker tells of."""
    (folder / "uncommitted.diff.txt").write_text(diff)
    return Record("1", "run", "", "FINISHED", {"git.commit": commit}, {}, {}, folder)


def refusal(folder: Path, commit: str, diff: str) -> str:
    told = record(folder, commit, diff)
    with pytest.raises(CouldNotTryError) as error, again._code_of(told, again.Wish()):
        pytest.fail("it was made")
    return str(error.value)


def new_file(name: str, text: str) -> str:
    lines = text.splitlines()
    hunk = f"@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)
    return NEW.format(name=name, mode="100644") + hunk


@pytest.mark.parametrize("mode", ["120000", "0120000", "120777", "00120000"])
@pytest.mark.parametrize("name", ["conf/model/own.yaml", '"conf/model/o\\twn.yaml"'])
def test_a_link_of_a_tracker_is_not_followed(
    committed: tuple[Path, str], tmp_path: Path, secret: Path, mode: str, name: str
) -> None:
    """Whatever way a diff writes its mode or its name, as git's index has a link in the end."""
    head = f'diff --git "a/{name.strip(chr(34))}" "b/{name.strip(chr(34))}"\n'
    head += f'new file mode {mode}\n--- /dev/null\n+++ "b/{name.strip(chr(34))}"\n'

    said = refusal(tmp_path, committed[1], head + LINK.format(target=secret))

    assert "more than texts" in said or "code that is in no commit" in said
    assert "77" not in said


MLP = "_target_: truefit.models.mlp.mlp"
TRICKS = {
    "a submodule": "diff --git a/conf/x.yaml b/conf/x.yaml\nnew file mode 160000\n--- /dev/null\n"
    f"+++ b/conf/x.yaml\n@@ -0,0 +1 @@\n+Subproject commit {'a' * 40}\n",
    "another mode": "diff --git a/params.yaml b/params.yaml\nold mode 100644\nnew mode 100755\n",
    "a renamed file": "diff --git a/dvc.yaml b/conf/x.yaml\nsimilarity index 100%\n"
    "rename from dvc.yaml\nrename to conf/x.yaml\n",
    "a copied file": "diff --git a/dvc.yaml b/conf/x.yaml\nsimilarity index 100%\n"
    "copy from dvc.yaml\ncopy to conf/x.yaml\n",
    "code": new_file("conf/../src/truefit/x.yaml", "a: 1"),
    "a hidden setting": new_file(".dvc/config.yaml", "a: 1"),
    "no YAML": new_file("conf/x.py", "print(1)"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_changes_of_a_tracker_are_texts_of_choices(
    committed: tuple[Path, str], tmp_path: Path, trick: str
) -> None:
    """What is taken is of params.yaml and conf/ alone, and of the mode that the commit has."""
    said = refusal(tmp_path, committed[1], TRICKS[trick])

    assert any(
        text in said
        for text in ("more than texts", "in no commit", "do not apply to its commit", "no diff")
    )


ODD = [
    '!!pairs [k: "${oc.env:HOME}"]',
    '!!omap [k: "${oc.env:HOME}"]',
    '!!set {"${oc.env:HOME}"}',
    "!!python/object/apply:pathlib.Path [/etc]",
    "!!binary aGVsbG8=",
    "!!str plain",
    "&a [1, 2]",
    "{a: &b [1], c: *b}",
]


@pytest.mark.parametrize("value", ODD)
def test_yaml_of_a_tracker_is_plain(
    committed: tuple[Path, str], tmp_path: Path, value: str
) -> None:
    """A tag can make what a search for texts does not see, an anchor more than memory holds."""
    diff = new_file("conf/model/own.yaml", f"{MLP}\nunits: {value}")

    assert "is no plain YAML" in refusal(tmp_path, committed[1], diff)


def test_choices_of_a_tracker_are_made(committed: tuple[Path, str], tmp_path: Path) -> None:
    """An honest change, and a file of conf/ that is new, compose as they did for its author."""
    text = (committed[0] / "params.yaml").read_text()
    (committed[0] / "params.yaml").write_text(text.replace("model: null", "model: own"))
    diff = git("diff", "params.yaml")
    git("checkout", "-q", "params.yaml")
    diff += new_file("conf/model/own.yaml", f"# `dvc repro`\n{MLP}\ndepth: 3\nunits: 9")

    with again._code_of(record(tmp_path, committed[1], diff), again.Wish()) as tree:
        assert "depth: 3" in (tree / "resolved.yaml").read_text()
        shown = subprocess.run(
            ["git", "status", "--porcelain"], cwd=tree, capture_output=True, text=True, check=True
        ).stdout

    assert {line[3:] for line in shown.splitlines()} >= {"params.yaml", "conf/model/own.yaml"}
    assert "src/" not in shown


def test_a_stage_of_a_record_has_a_named_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not on the list stays here, and so does a proxy's password."""
    for name in ("MY_OWN", "AWS_PROFILE", "MLFLOW_TRACKING_URI", "TF_TOKEN", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "something")
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:hunter2@proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")

    found = environment_of(tmp_path)

    assert {"PATH", "OMP_NUM_THREADS", "HTTP_PROXY", "DVC_ROOT", "TRUEFIT_OFFLINE"} <= set(found)
    assert not {"MY_OWN", "AWS_PROFILE", "MLFLOW_TRACKING_URI", "TF_TOKEN", "HTTPS_PROXY"} & set(
        found
    )
    assert found["PATH"] == os.environ["PATH"]


PRYING = """\
import json
import os
from pathlib import Path

Path("seen.json").write_text(json.dumps(dict(os.environ)))
print(os.environ)
"""


def test_code_of_a_record_does_not_see_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit whose stage keeps and prints all variables gets none that holds a secret."""
    folder = copy_project(tmp_path / "project")
    (folder / "pipelines/compose.py").write_text(PRYING)
    monkeypatch.chdir(folder)
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "start")):
        git(*words)
    (tmp_path / "record").mkdir()
    told = record(tmp_path / "record", git("rev-parse", "HEAD").strip(), "")
    for name in ("AWS_SECRET_ACCESS_KEY", "MY_OWN", "TRUEFIT_STORAGE", "TF_TOKEN", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://ada:hunter2@example.org")

    with again._code_of(told, again.Wish()) as tree:
        seen = json.loads((tree / "seen.json").read_text())
        said = run_stage(tree, "compose")

    assert "hunter2" not in json.dumps(seen)
    assert "hunter2" not in said
    assert seen["DVC_ROOT"] == str(tree)
    assert "DVC_ROOT" in said


SERVER, LOCAL = "https://ada:pw@mlflow.example.org/a", "sqlite:////home/ada/mlflow.db"


@pytest.mark.parametrize(
    ("address", "tracker", "named", "is_own"),
    [
        ("mlflow-artifacts:/1/abc/artifacts", SERVER, "", True),
        ("mlflow-artifacts://mlflow.example.org/1/abc", SERVER, "", True),
        ("mlflow-artifacts://evil.example.org/1/abc", SERVER, "", False),
        ("file:///etc", SERVER, "", False),
        ("FILE:///etc", SERVER, "", False),
        ("/etc", SERVER, "", False),
        ("http://169.254.169.254/latest", SERVER, "", False),
        ("s3://another/bucket", SERVER, "", False),
        ("s3://team/mlflow/1/abc", SERVER, "s3://team/mlflow", True),
        ("s3://team/mlflow-other/1", SERVER, "s3://team/mlflow", False),
        ("s3://team/mlflow/../private", SERVER, "s3://team/mlflow", False),
        ("file:///shared/a/%2e%2e/b", SERVER, "file:///shared/", False),
        ("file:///home/ada/mlartifacts/1", LOCAL, "", True),
        ("/home/ada/mlartifacts/1", LOCAL, "", True),
        ("file://host/share", LOCAL, "", False),
        ("s3://another/bucket", LOCAL, "", False),
        ("file:///etc", "postgresql://h/mlflow", "", False),
    ],
)
def test_records_lie_where_their_tracker_may_keep_them(
    monkeypatch: pytest.MonkeyPatch, address: str, tracker: str, named: str, is_own: bool
) -> None:
    """A server's own files, a local database's folders, and what the user names; nothing else."""
    monkeypatch.setenv("TRUEFIT_ARTIFACTS", named)
    if is_own:
        require_own(address, tracker)
        return
    with pytest.raises(UserError, match=r"no place of the tracker.*TRUEFIT_ARTIFACTS") as refused:
        require_own(address, tracker)
    assert "pw" not in str(refused.value)


def test_a_tracker_cannot_have_local_files_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that says that a run's files lie in a folder of the reader's gets none of them."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "config.yaml").write_text("private: 1\n")
    run = {
        "info": {
            "run_id": "0" * 32, "run_uuid": "0" * 32, "experiment_id": "0", "status": "FINISHED",
            "artifact_uri": (tmp_path / "theirs").as_uri(), "lifecycle_stage": "active",
        },
        "data": {},
    }  # fmt: skip

    class Hostile(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = json.dumps({"run": run}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with HTTPServer(("127.0.0.1", 0), Hostile) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(UserError, match="no place of the tracker"):
                from_mlflow(Store.open(), "0" * 32, tmp_path / "copy")
        finally:
            server.shutdown()

    assert not [file for file in (tmp_path / "copy").rglob("*") if file.is_file()]


@pytest.mark.parametrize(
    "value",
    [
        "x${oc.env:SOME_SECRET}",
        "${oc.decode:\"'${oc.env:SOME_SECRET}'\"}",
        "${oc.env:NOT_THERE,ok}",
        "${now:%H}",
        "${hydra:runtime.cwd}",
    ],
)
def test_nothing_of_the_environment_goes_on_record(
    project: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A configuration refers to its own keys: resolved.yaml, which git keeps, shows the values."""
    monkeypatch.setenv("SOME_SECRET", "hunter2")

    with pytest.raises(UserError, match=r"expected a value or another key.*os\.environ"):
        resolve({"mlflow_experiment": value})

    kept = resolve({"mlflow_experiment": "${backend}-x"})
    assert kept["mlflow_experiment"] == "tensorflow-x"
