"""Edits that a person would not see at work: overridden values, data that nothing keeps."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import yaml

from truefit.config.faults import Fault, known_keys
from truefit.config.overrides import as_overrides, assignment, below_set, has, made, options
from truefit.core.paths import RESOLVED, project_root
from truefit.core.resolved import read_yaml, written_by_stages
from truefit.core.trees import flatten, get

FEW = 3  # files or keys that one line names
CODE = ("*.py", "*.yaml")  # of files that an experiment runs
OURS = ("conf", "dvc.yaml", "params.yaml", "pipelines", "src")  # what decides a result


def edit_notes(params: Mapping[str, object], path: str | None) -> list[str]:
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


def with_way_out(found: list[Fault], params: Mapping[str, object]) -> list[str]:
    """Return the faults, and one command that removes what params.yaml sets and nothing takes."""
    cuts = removals(params, {fault.foreign for fault in found if fault.foreign})
    said = [fault.sentence for fault in found]
    if cuts:
        said.append(f"params.yaml sets what nothing takes: `dvc exp run{options(cuts)}` removes it")
    return said


def longer_keys(name: str, value: object, where: str = "") -> str:
    """Return what is meant by a key that does not begin with a section, and what sets it there.

    Args:
        name: the key; a block's own, or with dots where YAML wants blocks.
        value: what stands behind it.
        where: `set.` if it stands there, else nothing.

    Returns:
        A hint for a person; empty if no key of the configuration is like it.
    """
    config = read_yaml(RESOLVED) if RESOLVED.exists() else {}
    known = [k for k in known_keys(config) if isinstance(get(config, k.rpartition(".")[0]), dict)]
    if any(key.startswith(f"{name.partition('.')[0]}.") for key in known) and "." in name:
        return f" In YAML it is a block: `{_nested(name, value)}`"
    keys = [key for key in known if key.endswith(f".{name}")]
    inside = [key.partition(f".{name}.") for key in known]
    blocks = list(dict.fromkeys(f"{start}.{name}" for start, _, rest in inside if rest))
    keys += blocks if isinstance(value, dict) else []
    if not keys:
        return f" Did you mean a key of `{blocks[0]}`?" if blocks else ""
    which = " or ".join(f"`{key}`" for key in keys)
    way = options([f"~{where}{name}", *as_overrides(flatten({keys[0]: value}))])
    return f" Did you mean {which}? `dvc exp run{way}` sets the {'first' if keys[1:] else 'key'}"


def _nested(dotted: str, value: object) -> str:
    """A dotted key as blocks, in one line of YAML."""
    tree: object = value
    for part in reversed(dotted.split(".")):
        tree = {part: tree}
    return yaml.safe_dump(tree, default_flow_style=True, width=1000).strip()[1:-1]


def removals(params: Mapping[str, object], faulty: Collection[str]) -> list[str]:
    """Return the overrides that take out what params.yaml sets of faulty keys, ranges included.

    A block below `set:` goes as a whole where all of it is faulty, as after another choice of data.

    Args:
        params: what params.yaml says.
        faulty: dotted keys of the configuration, of values or of blocks.
    """
    stale = {place for key in faulty for place in _places(key)}
    top, below = {k: v for k, v in params.items() if k != "set"}, below_set(params)
    # A block that `~` empties stands below the comment of its line, where YAML does not want it.
    said = [f"~{key}" if "." in key else f"{key}=null" for key in _cuts(top, stale)]
    cuts = _cuts(below, stale)
    if below and cuts == list(below):
        return [*said, "set=null"]
    return [*said, *(f"~set.{key}" if has(below, key) else f"++set.{key}=null" for key in cuts)]


def _places(key: str) -> set[str]:
    """Where params.yaml may set a key or its range."""
    plain = key.removeprefix("search.space.")
    group, _, rest = plain.partition(".")
    return {key, f"{group}.space.{rest}", f"search.space.{plain}"}


def _cuts(tree: Mapping[str, object], stale: Collection[str], prefix: str = "") -> list[str]:
    """The dotted keys of a tree that are stale; of a block that is so as a whole, its own key."""
    cuts: list[str] = []
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        block: Mapping[str, object] = value if isinstance(value, dict) else {}
        inner = _cuts(block, stale, f"{dotted}.")
        is_whole = inner and inner == [f"{dotted}.{name}" for name in block]
        cuts += [dotted] if dotted in stale or is_whole else inner
    return cuts


def lost_choice(params: Mapping[str, object]) -> str | None:
    """Return what to write where `-S` has put a block in the place of the commit's choice."""
    try:
        before = yaml.safe_load(_git("show", "HEAD:./params.yaml")) or {}
    except yaml.YAMLError:
        return None
    for group, block in params.items():
        choice = before.get(group)
        if isinstance(block, dict) and isinstance(choice, str):
            inner = flatten(block, f"++set.{group}.")
            keep = options([assignment(key, value) for key, value in inner.items()])
            return (
                f"params.yaml: {group}: expected the choice `{choice}` to stay, received a block "
                f"in its place. `dvc exp run{keep}` keeps the choice"
            )
    return None


def _overridden(params: Mapping[str, object]) -> Iterator[str]:
    top = flatten({key: value for key, value in params.items() if key != "set"})
    below = flatten(below_set(params))
    for key in sorted(top.keys() & below.keys()):
        if top[key] not in (None, below[key]):
            yield (
                f"params.yaml: `{key}: {top[key]}` has no effect, as `set.{key}: {below[key]}` "
                f"wins; `-S '~set.{key}'` takes that out"
            )


def _edits_of_conf(params: Mapping[str, object]) -> Iterator[str]:
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
    outs = written_by_stages()
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
