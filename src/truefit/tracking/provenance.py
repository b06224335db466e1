"""Where a run comes from: commit, uncommitted changes, data, and the environment."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import yaml

from truefit.config.overrides import options
from truefit.core.paths import PREPARED
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import read_facts
from truefit.core.resolved import names
from truefit.core.run import Run
from truefit.core.study import StudySummary
from truefit.core.trees import fields_of, flatten, only
from truefit.tracking.events import Dataset, Params
from truefit.tracking.redaction import redact

if TYPE_CHECKING:
    from truefit.config.schema import Config

DIGEST = 36  # characters that MLflow takes
ASIDE = (".", ":!dvc.lock", ":!resolved.yaml", ":!outputs")  # what the pipeline itself writes
CODE = {".py", ".yaml", ".yml", ".toml"}  # of files that git does not know; others may be secrets
# Whatever the user's git is configured to do.
PLAIN = (
    "--no-ext-diff", "--no-color", "--no-textconv", "--no-renames", "--binary", "--unified=3",
    "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip
# What libraries read, and compute otherwise for.
COMPUTING = (
    "CUBLAS_WORKSPACE_CONFIG", "JAX_DEFAULT_MATMUL_PRECISION", "JAX_ENABLE_X64",
    "KERAS_TORCH_DEVICE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS", "TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_XLA_FLAGS", "XLA_FLAGS",
)  # fmt: skip
LARGEST_DIFF = 2_000_000  # characters


def config_params(config: Config) -> Params:
    """What varies between runs, flat: the parameters that MLflow compares."""
    chosen = ("data", "model", "optimizer", "regularization", "augmentation", "training")
    return flatten(only(config, chosen))


def commit() -> str:
    """The commit of the code that runs here; empty outside of git."""
    return str(environment_tags().get("git.commit", ""))


@functools.cache
def environment_tags() -> Mapping[str, str | int]:
    """What is the same for every run of this process, as tags."""
    tags: dict[str, str | int] = {
        "truefit.host": platform.node(),
        "truefit.pid": os.getpid(),
        "dvc.stage": os.environ.get("DVC_STAGE", ""),
        "dvc.exp": os.environ.get("DVC_EXP_NAME", ""),
        "dvc.data.md5": _lock_md5() or "",
        "git.commit": _git("rev-parse", "HEAD").strip(),
        "git.branch": _git("rev-parse", "--abbrev-ref", "HEAD").strip(),
        "git.dirty": str(bool(_git("status", "--porcelain", "--", *ASIDE))).lower(),
    }
    tags["mlflow.source.git.commit"] = tags["git.commit"]  # where the MLflow UI shows it
    stage = tags["dvc.stage"]
    tags["mlflow.source.name"] = f"dvc repro {stage}" if stage else "truefit"
    return {key: value for key, value in tags.items() if value}


def dataset(config: Config, context: str) -> Dataset:
    """The prepared data as MLflow's dataset: DVC's hash as digest, or our own outside of DVC."""
    facts = read_facts(PREPARED)
    rows = {name: split.rows for name, split in facts.splits.items()}
    return Dataset(
        name=names(config)[1],
        digest=(_lock_md5() or facts.digest)[:DIGEST],
        source={"path": str(PREPARED), "md5": _lock_md5(), "sha256": facts.digest},
        profile={"rows": rows, "shape": facts.input_shape, "target": facts.target.name},
        context=context,
    )


def uncommitted() -> str:
    """What differs from the commit, as git shows it; without passwords, and not without end."""
    return redact(_changes()[:LARGEST_DIFF])


def evaluated_by() -> dict[str, str]:
    """Commit and changes of an evaluation, which may be later than those of its training."""
    return {
        "evaluate/git.commit": commit(),
        "evaluate/git.diff.sha256": hashlib.sha256(uncommitted().encode()).hexdigest(),
        "evaluate/git.diff.whole": str(is_whole()).lower(),
    }


def is_whole() -> bool:
    """Whether `uncommitted` is all that differs, so that it makes the same code again."""
    return uncommitted() == _changes() and "\ufffd" not in _changes()


@functools.cache
def _changes() -> str:
    """With code and configuration that git does not know yet."""
    changes = _git("diff", *PLAIN, "--relative", "HEAD", "--", *ASIDE)
    new = _git("ls-files", "-z", "--others", "--exclude-standard", "--", *ASIDE).split("\0")
    for file in new:
        if Path(file).suffix in CODE and not Path(file).name.startswith("."):
            changes += _git("diff", *PLAIN, "--no-index", "--", os.devnull, file)
    return changes


@dataclass(frozen=True)
class Gpu:
    """A GPU, as the driver's own tool tells; a record of others may lack what it tells."""

    name: str = ""
    driver: str = ""  # its version
    memory: str = ""  # with its unit
    cuda: str | None = None  # its version


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a result may depend on beside code and data: environment.json of a run.

    What is `None` the system does not tell, or an earlier version did not write.
    """

    python: str | None = None  # its version
    os: str | None = None
    machine: str | None = None  # the architecture
    processor: str | None = None
    cores: int | None = None  # of the processor
    threads: int | None = None  # that it runs at once
    memory_gib: float | None = None
    device: str | None = None  # as configured: auto, cpu or gpu
    gpus: list[Gpu] = field(default_factory=list)
    backend: str | None = None  # of Keras
    variables: dict[str, str] | None = None  # those of COMPUTING that are set
    packages: dict[str, str] = field(default_factory=dict)  # versions by name

    @classmethod
    def of(cls, told: Mapping[str, object]) -> Environment:  # of JSON
        """What `as_json` gave, in this version or an earlier one."""
        values = fields_of(cls, told)
        gpus = [Gpu(**fields_of(Gpu, one)) for one in values.get("gpus") or []]
        return cls(**values | {"gpus": gpus, "packages": values.get("packages") or {}})

    def as_json(self) -> dict[str, object]:
        """What environment.json says."""
        return asdict(self)


def environment(device: str) -> Environment:
    """This machine and what is installed on it.

    Args:
        device: as configured.
    """
    return Environment(
        python=platform.python_version(),
        os=platform.platform(),
        machine=platform.machine(),
        processor=_processor(),
        cores=psutil.cpu_count(logical=False),
        threads=psutil.cpu_count(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        device=device,
        gpus=_gpus(),
        backend=os.environ.get("KERAS_BACKEND", ""),
        variables={name: os.environ[name] for name in COMPUTING if name in os.environ},
        packages=dict(sorted((d.name, d.version) for d in distributions())),
    )


def lineage(facts: Facts, run: Run, study: StudySummary | None) -> dict[str, str]:
    """Commit, data, runs and weights by name, for a report."""
    changed = environment_tags().get("git.dirty") == "true"
    found = {
        "commit": (commit() or "none") + (" with uncommitted changes" if changed else ""),
        "data (DVC's MD5)": _lock_md5() or "not run by DVC",
        "rows (SHA-256)": facts.digest,
        "study": study.study if study else "none: trained as configured",
        "study's MLflow run": study.run_id if study else None,
        "MLflow run": run.run_id,
        "weights (SHA-256)": run.result.weights_sha256,
    }
    return {key: str(value) for key, value in found.items() if value}


def how_to_repeat(overrides: list[str], record: str = "this run") -> str:
    """The commands that run it again, for a description; `record` has the uncommitted changes."""
    lines = []
    if sha := commit():
        lines.append(f"git checkout {sha[:12]}")
        if uncommitted():
            lines.append(f"git apply uncommitted.diff.txt   # an artifact of {record}")
    lines.append(f"dvc exp run{options(overrides)}" if overrides else "dvc repro")
    return "\n".join(f"    {line}" for line in lines)


@functools.cache
def _lock_md5() -> str | None:
    """DVC's hash of dataset.json, which has the digest of every split: one hash for all data."""
    if "DVC_STAGE" not in os.environ:  # dvc.lock may be of other data
        return None
    try:
        outs = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["preprocess"]["outs"]
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return None
    wanted = str(PREPARED / "dataset.json")
    return next((str(out["md5"]) for out in outs if out["path"] == wanted), None)


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def _gpus() -> list[Gpu]:
    query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    listed = _output("nvidia-smi", *query)
    version = re.search(r"CUDA Version: ([\d.]+)", _output("nvidia-smi")) if listed else None
    rows = [line.split(", ") for line in listed.splitlines()]
    cuda = version[1] if version else None
    return [Gpu(row[0], row[1], row[2], cuda) for row in rows if len(row) == 3]


def _git(*arguments: str) -> str:
    return _output("git", *arguments)


def _output(*command: str) -> str:
    """What a program prints; nothing where it is not there or fails (1 is a diff's yes)."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode <= 1 else ""
