"""A run's data in its tree: raw files of the project or of DVC, or the prepared ones by hash."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from truefit.core.files import write_text
from truefit.core.inputs import Inputs
from truefit.core.paths import PREPARED, RESOLVED, project_root
from truefit.core.prepared.folder import SPLITS
from truefit.core.resolved import read_yaml
from truefit.core.trees import flatten
from truefit.datasets.prepare import named_digests
from truefit.tracking.records import Record
from truefit.verify.verdict import CouldNotTryError

OUTS = {f"{PREPARED}/{name}" for name in ("dataset.json", *SPLITS)}  # no other path of a tracker's
HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")
# Where stages write and what they run: none of it is anybody's raw data.
OURS = (
    "conf", "data/prepared", "mlartifacts", "mlflow.db", "outputs", "pipelines", "src", "tests",
)  # fmt: skip


def bring_raw_data(tree: Path) -> None:
    """What git does not keep: files of DVC's from its cache or remote, others from the project.

    Where `path` of params.yaml is nowhere an empty folder stands in for it, so that it composes.
    """
    tracked = [file.relative_to(tree) for file in tree.rglob("*.dvc") if file.is_file()]
    if tracked:
        _share_cache(tree)
    for file in tracked:
        if _dvc(tree, "checkout", str(file)) != 0:
            _dvc(tree, "pull", str(file))
    path = Path(str((read_yaml(tree / "params.yaml") or {}).get("path") or ".")).expanduser()
    if not path.is_absolute():
        _bring(tree, path, "path")
        if not (tree / path).exists():
            (tree / path).mkdir(parents=True)


def bring_named_files(tree: Path) -> None:
    """What the data and the model of resolved.yaml name beside `path`: a table, weights."""
    config = read_yaml(tree / RESOLVED)
    for key, value in flatten({name: config[name] for name in ("data", "model")}).items():
        path = Path(value) if isinstance(value, str) else Path("/")
        lacks = not path.is_absolute() and path.suffix and not (tree / path).exists()
        if lacks and (project_root() / path).exists():
            _bring(tree, path, key)


def _bring(tree: Path, given: Path, key: str) -> None:
    path = Path(os.path.normpath(given))
    if (tree / path).is_symlink():
        return
    if not (tree / path).resolve().is_relative_to(tree.resolve()):
        raise CouldNotTryError(f"{key}: {path} leads out of the project")
    if path != Path() and _is_ours(path):
        raise CouldNotTryError(f"{key}: {path} is a place of the pipeline's own, not of raw data")
    _link(tree, path)


def _link(tree: Path, path: Path) -> None:
    """What lies in the project and not in git, file by file, beside what does."""
    place, here = tree / path, project_root() / path
    if here.is_dir() and not here.is_symlink():
        place.mkdir(parents=True, exist_ok=True)
        for inner in here.iterdir():
            if not _is_ours(path / inner.name):
                _link(tree, path / inner.name)
    elif here.exists() and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(here.resolve())


def _is_ours(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or any(path.is_relative_to(place) for place in OURS)


def changed_raw_data(old: Record, tree: Path) -> str | None:
    """The first raw file that holds something else than the run was prepared from.

    Returns:
        Nothing where they are as recorded; `None` where not all of them are there.
    """
    recorded: dict[str, str] = (old.json("inputs/dataset.json") or {}).get("raw") or {}
    path = read_yaml(tree / RESOLVED)["data"].get("path")
    now = named_digests(Inputs.at(tree / Path(path).expanduser())) if path else {}
    if not recorded or not {*recorded} <= {*now}:
        return None
    return next((name for name in sorted(recorded) if now[name] != recorded[name]), "")


def fetch_prepared(old: Record, tree: Path) -> None:
    """The prepared data by the hashes that the run's dvc.lock had.

    Raises:
        CouldNotTryError: neither cache nor remote has them.
    """
    try:
        locked = old.yaml("inputs/dvc.lock")["stages"]["preprocess"]
        outs = [
            {"path": out["path"], "hash": "md5", "md5": out["md5"]}
            for out in locked["outs"]
            if out["path"] in OUTS and HASH.fullmatch(out["md5"])
        ]
    except (KeyError, TypeError, ValueError, yaml.YAMLError):
        outs = []
    stage = {"cmd": "python pipelines/preprocess.py", "outs": outs}
    write_text(
        tree / "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": {"preprocess": stage}})
    )
    _share_cache(tree)
    places = [str(out["path"]) for out in outs]
    _dvc(tree, "fetch", *places)
    _require_inside(_cache(tree), [str(out["md5"]) for out in outs])
    if not places or _dvc(tree, "checkout", *places):
        raise CouldNotTryError(
            "its raw data are not here, and its prepared data are neither in DVC's cache nor in a "
            "remote: `dvc push` where the run was made, then `dvc remote add` here"
        )


def _require_inside(cache: Path, hashes: list[str]) -> None:
    """A folder's list of files, which a remote may have from anybody, leads nowhere else."""
    for md5 in hashes:
        listed = cache / "files/md5" / md5[:2] / md5[2:]
        if not md5.endswith(".dir") or not listed.exists():
            continue
        for entry in json.loads(listed.read_text()):
            name = Path(entry["relpath"])
            if name.is_absolute() or ".." in name.parts or not HASH.fullmatch(entry["md5"]):
                raise CouldNotTryError(f"the prepared data {md5} list {name}, which leads out")


def _cache(folder: Path) -> Path:
    asked = subprocess.run(
        [sys.executable, "-m", "dvc", "cache", "dir"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "DVC_ROOT": str(folder)},
    )  # fmt: skip
    return folder / (asked.stdout.strip() or ".dvc/cache")


def _share_cache(tree: Path) -> None:
    """The tree's DVC uses this project's cache and remotes."""
    root = project_root()
    (tree / ".dvc").mkdir(exist_ok=True)
    _dvc(tree, "cache", "dir", "--local", str(_cache(root)))
    for name in ("config", "config.local"):
        known = configparser.ConfigParser(interpolation=None)
        known.read(root / ".dvc" / name)
        for section in known.sections():
            remote = section.strip("'").removeprefix('remote "').rstrip('"')
            for key, value in known[section].items() if "remote" in section else ():
                is_place = key == "url" and "://" not in value
                text = str((root / ".dvc" / value).resolve()) if is_place else value
                if key == "url":
                    _dvc(tree, "remote", "add", "--local", "--force", remote, text)
                else:
                    _dvc(tree, "remote", "modify", "--local", remote, key, text)
        if known.has_option("core", "remote"):
            _dvc(tree, "remote", "default", "--local", known["core"]["remote"])


def _dvc(tree: Path, *arguments: str) -> int:
    environment = {**os.environ, "DVC_ROOT": str(tree)}
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, check=False
    ).returncode
