"""A run's data in its tree: raw files of the project or of DVC, or the prepared ones by hash."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import yaml

from truefit.config import read_yaml
from truefit.datasets.prepared import SPLITS
from truefit.files import write_text
from truefit.paths import PREPARED, project_root
from truefit.tracking.records import Record
from truefit.verify.verdict import CouldNotTryError

OUTS = {f"{PREPARED}/{name}" for name in ("dataset.json", *SPLITS)}  # no other path of a tracker's


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
    if path.is_absolute():
        return
    place, here = tree / path, project_root() / path
    if not place.resolve().is_relative_to(tree.resolve()):
        raise CouldNotTryError(f"path: {path} leads out of the project")
    if here.exists():
        _link(place, here)
    if not place.exists():
        place.mkdir(parents=True)


def _link(place: Path, here: Path) -> None:
    """What lies in the project and not in git, beside what does."""
    if place.is_dir() and here.is_dir():
        for file in here.iterdir():
            _link(place / file.name, file)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(here.resolve())


def fetch_prepared(old: Record, tree: Path) -> None:
    """The prepared data by the hashes that the run's dvc.lock had.

    Raises:
        CouldNotTryError: neither cache nor remote has them.
    """
    try:
        locked = yaml.safe_load(old.text("inputs/dvc.lock") or "")["stages"]["preprocess"]
        outs = [out for out in locked["outs"] if out["path"] in OUTS]
    except (KeyError, TypeError, yaml.YAMLError):
        outs = []
    stage = {"cmd": "python pipelines/preprocess.py", "outs": outs}
    write_text(
        tree / "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": {"preprocess": stage}})
    )
    _share_cache(tree)
    places = [str(out["path"]) for out in outs]
    if not places or (_dvc(tree, "checkout", *places) and _dvc(tree, "pull", *places)):
        raise CouldNotTryError(
            "its raw data are not here, and its prepared data are neither in DVC's cache nor in a "
            "remote: `dvc push` where the run was made, then `dvc remote add` here"
        )


def _share_cache(tree: Path) -> None:
    """The tree's DVC uses this project's cache and remotes."""
    root = project_root()
    asked = subprocess.run(
        [sys.executable, "-m", "dvc", "cache", "dir"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    cache = root / (asked.stdout.strip() or ".dvc/cache")
    (tree / ".dvc").mkdir(exist_ok=True)
    _dvc(tree, "cache", "dir", "--local", str(cache))
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
