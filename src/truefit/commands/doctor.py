"""`truefit doctor`: what the pipeline needs, each tried as the pipeline uses it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from packaging.requirements import Requirement

from truefit import __version__
from truefit.config.edits import git_refusal
from truefit.core.errors import UserError
from truefit.core.files import is_held
from truefit.core.paths import RESOLVED, project_root, state_folder, studies_url
from truefit.core.resolved import read_yaml
from truefit.stages.leftovers import clear, leftovers
from truefit.tracking.faults import first_line
from truefit.tracking.redaction import redact

if TYPE_CHECKING:
    from truefit.config.schema import Config

if TYPE_CHECKING:
    from dvc_objects.db import ObjectDB

LEAST_FREE = 2**30  # bytes of disk
State = Literal["ok", "note", "fix"]


@dataclass(frozen=True)
class Diagnosis:
    """What one look has found; `mend` says what to do; `fix`: nothing runs before it is done."""

    what: str
    state: State
    said: str
    mend: str = ""


class NeedsMendingError(Exception):
    """Something keeps the pipeline from running."""

    def __init__(self, said: str, mend: str) -> None:
        """What is wrong, and what to do."""
        super().__init__(said)
        self.mend = mend


def examine() -> Iterator[Diagnosis]:
    """Look at each thing in turn; none keeps the next from being looked at."""
    looks: dict[str, Callable[[], str | tuple[str, str]]] = {
        "python": _python,
        "disk": _disk,
        "git": _git,
        "configuration": _configuration,
        "devices": _devices,
        "MLflow": _tracker,
        "studies": _storage,
        "DVC remote": _remote,
        "DVC's locks": _locks,
        "under way": _under_way,
    }
    for what, look in looks.items():
        try:
            found = look()
        except NeedsMendingError as error:
            yield Diagnosis(what, "fix", redact(str(error)), error.mend)
        except Exception as error:  # noqa: BLE001 - whatever a storage raises is what is found
            yield Diagnosis(what, "fix", f"{type(error).__name__}: {first_line(error)}", "")
        else:
            said, mend = found if isinstance(found, tuple) else (found, "")
            yield Diagnosis(what, "note" if mend else "ok", redact(said), mend)


def fix(say: Callable[[str], None]) -> None:
    """Clear what a killed DVC has left that stops the next one; the rest is the user's to fix."""
    if not clear(project_root(), say):
        say("nothing that a killed DVC has left stops the next one")


def table(findings: list[Diagnosis]) -> str:
    """A line for each, and below it what to do."""
    lines = []
    for found in findings:
        lines.append(f"{found.state:<5}{found.what:<14}{found.said}")
        lines += [f"{'':<19}-> {line}" for line in found.mend.splitlines()]
    return "\n".join(lines)


def _python() -> str:
    way_out = "`rm -f .venv/installed && make repro` installs what is pinned"
    try:
        lines = importlib.metadata.requires("truefit") or []
    except importlib.metadata.PackageNotFoundError:
        raise NeedsMendingError("truefit is not installed", way_out) from None
    wrong = []
    for line in lines:
        needed = Requirement(line)
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(needed.name)
        except importlib.metadata.PackageNotFoundError:
            version = "missing"
        if version == "missing" or not needed.specifier.contains(version, prereleases=True):
            wrong.append(f"{needed.name}{needed.specifier} is {version}")
    if wrong:
        raise NeedsMendingError("; ".join(wrong), way_out)
    return f"{platform.python_version()}, truefit {__version__}, every package in its range"


def _disk() -> str:
    free = shutil.disk_usage(project_root()).free
    said = f"{free / 2**30:.0f} GiB free"
    if free < LEAST_FREE:
        raise NeedsMendingError(
            f"{said}, expected at least {LEAST_FREE / 2**30:.0f}",
            "`dvc gc --all-commits --all-experiments` removes data that no commit or experiment "
            "uses",
        )
    return said


def _git() -> str | tuple[str, str]:
    if not (project_root() / ".dvc").is_dir():
        raise NeedsMendingError(
            f"{Path.cwd()} is no DVC project", "go to the project's folder, or `truefit init DIR`"
        )
    if refused := git_refusal():
        return "no commit can be read", refused
    asked = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],  # noqa: S607 - the user's own
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode:
        return "no commit yet", "`git add -A && git commit`: `truefit verify` starts from a commit"
    return f"commit {asked.stdout.strip()}"


def _configuration() -> str:
    from truefit.stages.compose import resolve  # noqa: PLC0415 - Hydra, half a second

    try:
        config = resolve(read_yaml(Path("params.yaml")) or {})
    except UserError as error:
        raise NeedsMendingError(
            str(error).replace("\n", " "), "edit params.yaml or conf/"
        ) from None
    return f"params.yaml and conf/ compose; project {config['mlflow_experiment']}"


def _last_good() -> Config:
    """The configuration, for the other looks; where it has a fault, the last that had none."""
    from truefit.stages.compose import resolve  # noqa: PLC0415 - see above

    try:
        return resolve(read_yaml(Path("params.yaml")) or {})
    except UserError:
        last: Any = dict(read_yaml(RESOLVED))
    config: Config = last
    return config


def _devices() -> str | tuple[str, str]:
    import joblib  # noqa: PLC0415 - a tenth of a second

    from truefit.tracking.provenance import environment  # noqa: PLC0415

    known = environment("auto")
    # As `search.workers: auto` counts them: no more than a container's limit.
    cores = joblib.cpu_count()
    names = ", ".join(gpu.name for gpu in known.gpus)
    said = f"{cores} cores, {known.memory_gib} GiB"
    if not names:
        return f"{said}, no GPU"
    from truefit.training.process.trainer import Trainer  # noqa: PLC0415 - only where there is one

    config = _last_good()
    with Trainer(config["backend"], config["runtime"]["device"]) as trainer:
        seen = trainer.gpus()
    if seen:
        return f"{said}, {names}; {config['backend']} sees {seen}"
    return (
        f"{said}, {names}, which {config['backend']} does not see",
        "`pip install 'tensorflow[and-cuda]'`, or runtime.device: cpu says that this is meant",
    )


def _tracker() -> str:
    from truefit.tracking.store import Store, tracking_uri  # noqa: PLC0415 - MLflow

    uri, began = redact(tracking_uri()), time.monotonic()
    try:
        kept = Store.open().try_out(_last_good()["mlflow_experiment"])
    except UserError as error:
        raise NeedsMendingError(
            str(error),
            "start the server, or correct MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or what the account may do. Training goes on without it, "
            "and `truefit sync` catches up",
        ) from None
    left = f"; the run `doctor` stays, as this account may not delete: {kept}" if kept else ""
    return f"{uri} took a run with a file and gave it back, {time.monotonic() - began:.1f} s{left}"


def _storage() -> str:
    from truefit.search.storage.rdb import Storage  # noqa: PLC0415 - Optuna, a second

    url, began = redact(studies_url()), time.monotonic()
    try:
        Storage.open(print).try_out(f"truefit-doctor-{uuid.uuid4().hex}")
    except UserError as error:
        raise NeedsMendingError(
            str(error).splitlines()[0],
            "set TRUEFIT_STORAGE to postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, or unset it",
        ) from None
    return f"{url} took a study and gave it back, {time.monotonic() - began:.1f} s"


def _remote() -> str | tuple[str, str]:
    from dvc.repo import Repo  # noqa: PLC0415 - a second

    began = time.monotonic()
    with Repo(str(project_root())) as repo:
        name = repo.config["core"].get("remote")
        if name is None:
            return (
                "none: data and models stay on this machine",
                "`dvc remote add --default team s3://BUCKET/FOLDER`, then `dvc push`",
            )
        try:
            _write_and_read(repo.cloud.get_remote_odb(name))
        except Exception as error:  # noqa: BLE001 - each kind of remote has its own
            raise NeedsMendingError(
                f"{name}: {type(error).__name__}: {first_line(error)}",
                f"`dvc remote list` and `dvc remote modify {name} ...`; S3 needs "
                "`pip install 'truefit[team]'` and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
            ) from None
    return f"{name} took a file and gave it back, {time.monotonic() - began:.1f} s"


def _write_and_read(odb: ObjectDB) -> None:
    place, content = odb.fs.join(odb.path, f"truefit-doctor-{uuid.uuid4().hex}"), b"truefit"
    odb.fs.makedirs(odb.path, exist_ok=True)
    odb.fs.pipe_file(place, content)
    try:
        if odb.fs.cat_file(place) != content:
            raise OSError("it gives back something else than it took")
    finally:
        odb.fs.remove(place)


def _locks() -> str:
    if found := list(leftovers(root := project_root())):
        said = "; ".join(left.line(root) for left in found)
        raise NeedsMendingError(said, "`truefit doctor --fix` clears it, then `dvc repro`")
    return "no process that has ended holds one"


def _under_way() -> str | tuple[str, str]:
    from truefit.tracking.journal import waiting  # noqa: PLC0415

    held = [file.stem for file in state_folder().glob("*.lock") if is_held(file)]
    unsent = len(waiting())
    said = f"{', '.join(sorted(held)) or 'nothing'} is under way, {unsent} journals are not sent"
    if unsent and not held:
        return said, "`truefit sync` sends them"
    return said
