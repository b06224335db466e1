"""Edits that a person would not see at work: overridden values, data that nothing keeps."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from truefit.config.faults import Fault, known_keys
from truefit.config.overrides import below_set, made, options
from truefit.core.paths import RESOLVED, project_root
from truefit.core.resolved import read_yaml
from truefit.core.trees import flatten

FEW = 3  # files or keys that one line names
CODE = ("*.py", "*.yaml")  # of files that an experiment runs
OURS = ("conf", "dvc.yaml", "params.yaml", "pipelines", "src")  # what decides a result


def edit_notes(params: dict[str, object], path: str | None) -> list[str]:
    """Return a line for each edit that has no effect, or is not kept with the commit.

    Args:
        params: what params.yaml says.
        path: of the raw data that the configuration reads; `None` where it reads none.
    """
    found = [*_overridden(params), *_edits_of_conf(params), *_not_kept(path), *_ignored(path)]
    return [*found, *_no_commit(), *left_behind()]


def is_temporary() -> bool:
    """Return whether DVC has made this folder for a queued or temporary experiment."""
    root, here = project_root(), Path.cwd()
    is_below = root in here.parents and ".dvc" not in here.relative_to(root).parts
    return root != here and not is_below


def left_behind() -> list[str]:
    """Return a line where a queued or temporary experiment lacks code or YAML of the project."""
    if not is_temporary():
        return []
    root = project_root()
    listed = _git("-C", str(root), "ls-files", "-z", "--others", "--exclude-standard", "--", *CODE)
    if not listed:
        return []
    named = _few([shlex.quote(name) for name in listed.split("\0") if name], " ")
    return [
        f"git does not know {named} of {root}, so this experiment lacks them: `git add {named}`"
    ]


def with_way_out(found: list[Fault], params: dict[str, object]) -> list[str]:
    """Return the faults, and for a key that nothing takes any more how to take it out."""
    said = removals(params, {fault.foreign for fault in found if fault.foreign})
    return [
        f"{fault.sentence} It stands in params.yaml: `-S '{said[fault.foreign]}'` takes it out"
        if fault.foreign in said
        else fault.sentence
        for fault in found
    ]


def longer_keys(name: str, value: object) -> str:
    """Return the keys that end in `name` and what sets the first; empty where there are none."""
    known = known_keys(read_yaml(RESOLVED)) if RESOLVED.exists() else []
    keys = [key for key in known if key.rpartition(".")[2] == name]
    if not keys:
        return ""
    which = " or ".join(f"`{key}`" for key in keys)
    return f" Did you mean {which}? `-S '++set.{keys[0]}={value}'` sets it"


def removals(params: dict[str, object], faulty: Collection[str]) -> dict[str, str]:
    """Return the override that takes a faulty key out of params.yaml, for each that it sets.

    It is that of the whole block below `set:` where all of it is faulty, as after another choice
    of data.
    """
    below = flatten(below_set(params))
    top = flatten({key: value for key, value in params.items() if key != "set"})
    said = {key: f"~{key}" for key in faulty if top.get(key) is not None}
    for key in faulty & below.keys():
        block = key.partition(".")[0]
        is_whole = all(other in faulty for other in below if other.startswith(f"{block}."))
        said[key] = f"~set.{block}" if is_whole else f"~set.{key}"
    return said


def lost_choice(params: dict[str, object]) -> str | None:
    """Return what to write where `-S` has put a block in the place of the commit's choice."""
    try:
        before = yaml.safe_load(_git("show", "HEAD:./params.yaml")) or {}
    except yaml.YAMLError:
        return None
    for group, block in params.items():
        choice = before.get(group)
        if isinstance(block, dict) and isinstance(choice, str):
            keep = options(
                [f"++set.{group}.{key}={value}" for key, value in flatten(block).items()]
            )
            return (
                f"params.yaml: {group}: expected the choice `{choice}` to stay, received a block "
                f"in its place. `dvc exp run{keep}` keeps the choice"
            )
    return None


def _overridden(params: dict[str, object]) -> Iterator[str]:
    top = flatten({key: value for key, value in params.items() if key != "set"})
    below = flatten(below_set(params))
    for key in sorted(top.keys() & below.keys()):
        if top[key] not in (None, below[key]):
            yield (
                f"params.yaml: `{key}: {top[key]}` has no effect, as `set.{key}: {below[key]}` "
                f"wins; `-S '~set.{key}'` takes that out"
            )


def _edits_of_conf(params: dict[str, object]) -> Iterator[str]:
    """A key that an uncommitted edit of conf/ sets, where params.yaml sets it too."""
    changes = _git("diff", "--no-ext-diff", "--no-color", "--unified=0", "HEAD", "--", "conf")
    edited = set(re.findall(r"^\+\s*([\w.]+):", changes, re.MULTILINE))
    held = [f"{key}={value}" for key, value in made(params).items() if _last(key) in edited]
    if held:
        yield f"an edit in conf/ has no effect where params.yaml sets the key: {_few(held)}"


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _not_kept(path: str | None) -> Iterator[str]:
    """Raw data that are in neither git nor DVC: those that `dvc add` has put aside git ignores."""
    if path is None:
        return
    found = _git("ls-files", "-z", "--others", "--exclude-standard", "--directory", "--", path)
    files = [name for name in found.split("\0") if name]
    new = [name for name in files if not name.endswith((".dvc", ".gitignore"))]
    if new:
        named = _few([shlex.quote(name) for name in new], " ")
        yield (
            f"{path} is in neither DVC nor git, so no commit has these rows: `dvc add {named}`, "
            "then `git add` what it names"
        )


def _ignored(path: str | None) -> Iterator[str]:
    """Code, YAML and raw data that a .gitignore names, so that `git add` passes them by."""
    code = [name for name in _ignored_below(*OURS) if name.endswith((".py", ".yaml"))]
    rows = _ignored_below("--directory", "--", path) if path else []
    rows = [name for name in rows if not _in_dvc(name)]
    for names, then in ((code, "git add"), (rows, "dvc add")):
        if names:
            named = shlex.quote(names[0])
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield (
                f"git ignores {named}{more}, so this result cannot be made again from a commit: "
                f"take out the line that `git check-ignore -v {named}` names, then `{then} {named}`"
            )


def _ignored_below(*places: str) -> list[str]:
    found = _git("ls-files", "-z", "--others", "--ignored", "--exclude-standard", *places)
    return [name for name in found.split("\0") if name]


def _in_dvc(name: str) -> bool:
    """Whether `dvc add` keeps the file or a folder above it, or a stage of dvc.yaml makes it."""
    above = [one for one in (Path(name), *Path(name).parents) if one.name]
    if any(one.with_name(f"{one.name}.dvc").is_file() for one in above):
        return True
    file = Path("dvc.yaml")
    stages = (read_yaml(file) or {}).get("stages") or {} if file.is_file() else {}
    outs = [
        Path(*out) if isinstance(out, dict) else Path(out)
        for stage in stages.values()
        for out in (stage or {}).get("outs") or []
    ]
    return any(one in outs for one in above)


def _no_commit() -> Iterator[str]:
    if refused := git_refusal():
        yield f"runs name no commit and no changes, as {refused}"
        return
    if _git("rev-parse", "--is-inside-work-tree") and not _git("rev-parse", "--verify", "HEAD"):
        yield (
            "git has no commit yet, so `truefit verify` and `dvc exp run` have no code to start "
            'from: `git add -A && git commit -m "start"`'
        )


def _few(names: list[str], between: str = ", ") -> str:
    return between.join(names[:FEW]) + (f"{between}..." if len(names) > FEW else "")


def git_refusal() -> str:
    """Return why git refuses to tell of this folder, and the way out; else nothing."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--git-dir"],  # noqa: S607 - the user's own
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return "git is not installed"
    if b"dubious ownership" not in done.stderr:
        return ""
    trust = shlex.join(["git", "config", "--global", "--add", "safe.directory", str(Path.cwd())])
    return f"git does not trust a folder that belongs to another user: `{trust}`"


def _git(*arguments: str) -> str:
    """What git prints; nothing where it is not there or refuses."""
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the user's own
            capture_output=True,
            check=False,
        )
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.decode(errors="replace")
