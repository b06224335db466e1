"""Engines start workers elsewhere: Ray, SLURM. What comes out is what one machine finds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import sections
import yaml
from conftest import ROOT, copy_project, run
from postgres import Server
from test_search import result, stored

from truefit.core.errors import UserError
from truefit.search.engines import crew, slurm
from truefit.search.engines.start import started

pytestmark = pytest.mark.slow
SEARCH = {"n_trials": 8, "workers": 1, "lease": 5, "finalists": {"n_finalists": 2, "n_seeds": 2}}


def compose(**search: Any) -> None:
    choices = {
        "search": {**SEARCH, **search},
        "pruner": {"n_startup_trials": 2, "n_warmup_steps": 1},
        "training": {"epochs": 20},
    }
    Path("params.yaml").write_text(yaml.safe_dump({"path": "data/raw", "set": choices}))
    done = run(sys.executable, "pipelines/compose.py")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The digits, as the working directory."""
    folder = copy_project(tmp_path_factory.mktemp("engines") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        compose()
        assert run(sys.executable, "pipelines/preprocess.py").returncode == 0
        yield folder


@pytest.fixture(scope="module")
def local(prepared: Path) -> tuple[str, str]:
    """The study as this machine does it."""
    compose()
    done = run(sys.executable, "pipelines/search.py")
    assert done.returncode == 0, done.stdout + done.stderr
    return result()


@pytest.fixture
def fresh(prepared: Path, local: tuple[str, str]) -> Path:
    """Without what was found before."""
    shutil.rmtree("outputs")
    return prepared


def search(storage: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "pipelines/search.py", TRUEFIT_STORAGE=storage)


def test_a_sweep_on_ray_outlasts_a_node(
    fresh: Path, local: tuple[str, str], postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On three nodes, one of which dies: the same trials and the same best.yaml as locally."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - seconds that one test needs

    storage = postgres_server.database("ray")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=2) for _ in range(3)]
        engine = {"name": "ray", "address": cluster.address, "workers": 3, "cpus": 2, "gpus": 0}
        compose(engine={**engine, "folder": None})
        victim = threading.Thread(target=kill_one, args=(cluster, nodes[0], storage))
        victim.start()
        done = search(storage)
        victim.join()
    finally:
        cluster.shutdown()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "a worker has ended" in done.stdout
    assert result() == local
    assert all(trial.state.is_finished() for trial in stored(storage))
    assert len({trial.user_attrs["owner"] for trial in stored(storage)}) > 1


def kill_one(cluster: Any, node: Any, storage: str) -> None:
    """The node ends without a word, once each has a trial."""
    until = time.monotonic() + 200
    while time.monotonic() < until:
        try:
            if len({trial.user_attrs["owner"] for trial in stored(storage)}) == 3:
                break
        except (StopIteration, KeyError):
            time.sleep(0.5)
    cluster.remove_node(node, allow_graceful=False)


def test_a_sweep_of_jobs_is_the_local_one(
    fresh: Path, local: tuple[str, str], postgres_server: Server
) -> None:
    """As an array of submitit's, here as processes: the same trials and best.yaml."""
    storage = postgres_server.database("jobs")
    compose(engine=sections.slurm(cluster="local", workers=2))

    done = search(storage)

    assert done.returncode == 0, done.stdout + done.stderr
    assert result() == local
    assert len({trial.user_attrs["owner"] for trial in stored(storage)}) == 2


@pytest.mark.timeout(300)
def test_a_job_that_is_told_to_end_gives_its_slots_back(
    fresh: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the signal before its time-out nothing is RUNNING, and nobody has to wait for it."""
    storage = postgres_server.database("signal")
    monkeypatch.setenv("TRUEFIT_STORAGE", storage)
    compose(finalists={"n_finalists": 0})
    leader = subprocess.Popen([sys.executable, "pipelines/search.py"], stdout=subprocess.PIPE)
    assert leader.stdout is not None
    for line in leader.stdout:
        if line.startswith(b"trial"):
            break
    leader.kill()
    leader.communicate()
    job = slurm.executor_of(sections.slurm(cluster="local")).submit(crew.help_out, str(fresh), {})
    dead = {trial.user_attrs["owner"] for trial in stored(storage)}
    until = time.monotonic() + 120
    while {t.user_attrs["owner"] for t in stored(storage) if t.state.name == "RUNNING"} <= dead:
        assert time.monotonic() < until, job.stderr()
        time.sleep(0.1)

    job._interrupt()  # type: ignore[attr-defined] # which a job of this machine has
    job.exception()

    open_now = [trial for trial in stored(storage) if not trial.state.is_finished()]
    assert {t.state.name for t in open_now if t.user_attrs["owner"] not in dead} <= {"WAITING"}


SBATCH = """\
#!/bin/sh
cp "$1" {folder}/sent.sh
echo Submitted batch job 7
"""


def test_what_slurm_is_sent(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch script is the one that docs/cluster.md shows, and has no secret."""
    programs = {
        "sbatch": SBATCH.format(folder=project), "srun": "#!/bin/sh\n", "scancel": "#!/bin/sh\n",
        "sacct": "#!/bin/sh\necho 'JobID|State'\n",
    }  # fmt: skip
    for name, text in programs.items():
        (project / name).write_text(text)
        (project / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(project), prepend=os.pathsep)
    monkeypatch.setenv("TRUEFIT_STORAGE", "postgresql+psycopg://ada:secret@db/studies")
    monkeypatch.setattr(crew, "FAREWELL", 0.0)  # these jobs never end
    asked = sections.slurm(gpus=1, partition="gpu", setup=["module load cuda"])

    with started(asked, print):
        sent = (project / "sent.sh").read_text()

    shown = (ROOT / "docs/cluster.md").read_text()
    lines = [line for line in sent.splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH --array=0-3%4" in lines
    assert "#SBATCH --signal=USR2@90" in lines
    assert "#SBATCH --gpus-per-node=1" in lines
    assert "module load cuda" in sent
    assert "secret" not in sent
    assert [line for line in lines if str(project) not in line and line not in shown] == []


@pytest.mark.parametrize("gpus", [0, 2])
def test_the_manifest_is_a_job_that_kubernetes_takes(gpus: int) -> None:
    """Checked against Kubernetes' own schema; secrets come from a Secret."""
    options = ["--gpus", str(gpus), "--memory", "4"]
    done = run("truefit", "kubernetes", "--image", "registry.example.org/project:1", *options)
    job = yaml.safe_load(done.stdout)
    kubernetes_validate.validate(job, "1.33", strict=True)
    container = job["spec"]["template"]["spec"]["containers"][0]

    assert job["spec"]["parallelism"] == 4
    assert container["envFrom"] == [{"secretRef": {"name": "truefit"}}]
    assert container["resources"]["limits"].get("nvidia.com/gpu", 0) == gpus
    job["spec"]["parallelism"] = "four"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, "1.33", strict=True)


def test_an_engine_needs_a_storage_that_its_workers_reach(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite is a file of one machine; a package that is not installed is named with its extra."""
    with pytest.raises(UserError, match=r"expected TRUEFIT_STORAGE=postgresql.*received sqlite"), \
            started(sections.slurm(), print):  # fmt: skip
        pass
    monkeypatch.setenv("TRUEFIT_STORAGE", "postgresql+psycopg://db/studies")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'truefit\[team,ray\]'"), \
            started(sections.ray(), print):  # fmt: skip
        pass


def test_a_crew_gives_up_where_nothing_is_done() -> None:
    """One that dies is replaced, as long as slots are filled; one that is refused stops all."""
    said: list[str] = []
    ends: dict[int, crew.Farewell | None] = {}
    numbers = iter(range(100))
    workers = crew.Crew(2, lambda: next(numbers), ends.get, said.append)
    workers.workers = [next(numbers), next(numbers)]
    ends[0] = crew.Farewell("its node died")
    workers.tend(1)
    assert workers.workers == [1, 2]
    assert said == ["a worker has ended: its node died; starting another"]
    ends[1] = crew.Farewell()
    workers.tend(1)
    assert workers.workers == [2]
    ends[2] = crew.Farewell()
    workers.tend(1)
    assert workers.workers == [3]  # somebody has to be there while the study is not done
    ends |= dict.fromkeys(range(100), crew.Farewell("no module"))
    for done in range(2, 20):
        workers.tend(done)
    with pytest.raises(UserError, match="nothing is done: no module"):
        list(map(workers.tend, [20] * 10))
    workers.workers, ends[50] = [50], crew.Farewell("another commit", refused=True)
    with pytest.raises(UserError, match="cannot join: another commit"):
        workers.tend(20)


def test_a_crew_goes_on_without_nodes_that_cannot_train() -> None:
    """They are tried as often as there are workers, and then left out, as long as one is fit."""
    said: list[str] = []
    numbers = iter(range(1, 100))
    ends = dict.fromkeys(range(1, 100), crew.Farewell("no room", unfit=True))
    workers = crew.Crew(2, lambda: next(numbers), ends.get, said.append, workers=[0, 99])
    for done in range(10):
        workers.tend(done)

    assert workers.workers == [0]
    assert len(said) == 3
    assert said[-1].endswith("1 go on without it")
