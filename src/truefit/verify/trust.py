"""What of a record may run here: a tracker holds what anybody with access has written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from truefit.config import Tree, read_yaml
from truefit.paths import RESOLVED
from truefit.trees import flatten
from truefit.verify.trees import changed_files, git, run_stage, work_tree
from truefit.verify.verdict import CouldNotTryError

WAY_OUT = (
    "the tracker alone has it: read the run's file uncommitted.diff.txt, then `truefit verify "
    "RUN_ID --trust-uncommitted`"
)
REFERENCE = re.compile(r"\$\{(?![\w.]+\})")  # all but `${a.key}`: an `${oc.env:...}` reads more


def require_choices(diff: str) -> None:
    """Uncommitted changes that are choices: params.yaml, and files of conf/.

    Raises:
        CouldNotTryError: there is more among them.
    """
    code = [name for name in changed_files(diff) if not _is_choice(name)]
    if code:
        raise CouldNotTryError(f"the run has code that is in no commit ({code[0]}); {WAY_OUT}")


def _is_choice(name: str) -> bool:
    inside = name.startswith("conf/") and ".." not in Path(name).parts
    return name == "params.yaml" or (inside and name.endswith(".yaml"))


def require_plain(tree: Path, diff: str) -> None:
    """The changed files of the tree refer to their own keys and to nothing outside of it.

    What their commit has already is not looked at.

    Raises:
        CouldNotTryError: one asks for more, or is no YAML.
    """
    for name in changed_files(diff):
        file = tree / name
        try:
            held = yaml.safe_load(file.read_text()) if file.exists() else None
        except (ValueError, yaml.YAMLError) as error:
            raise CouldNotTryError(f"the run's {name} is no YAML: {error}") from None
        for text in set(_texts(held)) - set(_texts(_committed(tree, name))):
            if text == "hydra" or REFERENCE.search(text) or _leads_out(text):
                raise CouldNotTryError(f"the run's {name} asks for {text[:60]!r}; {WAY_OUT}")


def _committed(tree: Path, name: str) -> Any:
    shown = git(tree, "show", f"HEAD:./{name}", check=False)
    return yaml.safe_load(shown.stdout) if shown.returncode == 0 else None


def _leads_out(text: str) -> bool:
    """Whether it would be a place outside of the project, or an address."""
    path = Path(text)
    return path.is_absolute() or text.startswith("~") or ".." in path.parts or "://" in text


def _texts(held: Any) -> list[str]:
    if isinstance(held, dict):
        return [text for pair in held.items() for part in pair for text in _texts(part)]
    if isinstance(held, list):
        return [text for part in held for text in _texts(part)]
    return [held] if isinstance(held, str) else []


def require_known(tree: Path, commit: str) -> None:
    """What the changes choose, composed in `tree`, names no code that the commit does not.

    Raises:
        CouldNotTryError: packages, a `_target_` or a place outside are not the commit's.
    """
    config = read_yaml(tree / RESOLVED)
    with work_tree(commit, "", trusted=False) as committed:
        run_stage(committed, "compose")
        before = read_yaml(committed / RESOLVED)
        texts = [file.read_text() for file in (committed / "conf").rglob("*.yaml")]
    known = set(re.findall(r"_target_:\s*[\"']?([\w.]+)", "\n".join(texts)))
    if config["packages"] != before["packages"]:
        raise CouldNotTryError(f"the run allows the packages {config['packages']}; {WAY_OUT}")
    if unknown := sorted(_targets(config) - known):
        raise CouldNotTryError(
            f"the run calls {unknown[0]}, which no committed file names; {WAY_OUT}"
        )
    ranges = [key for key in config["search"]["space"] if key.endswith("_target_")]
    if ranges:
        raise CouldNotTryError(f"the run searches over {ranges[0]}; {WAY_OUT}")
    for text in sorted(set(_texts(config)) - set(_texts(before))):
        if _leads_out(text):
            raise CouldNotTryError(f"{text!r} leads out of the project; {WAY_OUT}")


def _targets(block: Any) -> set[str]:
    if isinstance(block, list):
        return set().union(*map(_targets, block)) if block else set()
    if not isinstance(block, dict):
        return set()
    own = {str(block["_target_"])} if "_target_" in block else set()
    return own.union(*map(_targets, block.values()))


def parameters(recorded: Tree, space: Any) -> Tree:
    """The winner's parameters: those of the recorded configuration that the space varies.

    Raises:
        CouldNotTryError: one lies outside of the space, as no search can have found it.
    """
    values = flatten(recorded)
    params: Tree = {}
    for key, parameter in space.items():
        if not parameter.is_active(params):
            continue
        value = values.get(key)
        if not parameter.range.contains(value):
            raise CouldNotTryError(
                f"the recorded {key} {value!r} lies outside of its range: no search found it"
            )
        params[key] = value
    return params
