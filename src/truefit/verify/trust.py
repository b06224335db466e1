"""What of a record may run here: a tracker holds what anybody with access has written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from truefit.config.faults import refused_targets
from truefit.core.paths import RESOLVED
from truefit.core.resolved import Params, read_yaml
from truefit.core.trees import flatten, targets
from truefit.search.space import Space
from truefit.verify.changes import WAY_OUT, leads_out, texts
from truefit.verify.verdict import CouldNotTryError
from truefit.verify.work_tree import run_stage, work_tree


def require_known(tree: Path, commit: str) -> None:
    """What the changes choose, composed in `tree`, names no code that the commit does not.

    Raises:
        CouldNotTryError: packages, a `_target_` or a place outside are not the commit's.
    """
    config = read_yaml(tree / RESOLVED)
    with work_tree(commit, "", trusted=False) as committed:
        run_stage(committed, "compose")
        before = read_yaml(committed / RESOLVED)
        known = set().union(
            *(targets(read_yaml(file)) for file in (committed / "conf").rglob("*.yaml"))
        )
    if config["packages"] != before["packages"]:
        raise CouldNotTryError(f"the run allows the packages {config['packages']}; {WAY_OUT}")
    if unknown := sorted(targets(config) - known):
        raise CouldNotTryError(
            f"the run calls {unknown[0]}, which no committed file names; {WAY_OUT}"
        )
    if refused := refused_targets(config, before["packages"]):
        raise CouldNotTryError(f"{refused[0]}; {WAY_OUT}")
    ranges = [key for key in config["search"]["space"] if key.endswith("_target_")]
    if ranges:
        raise CouldNotTryError(f"the run searches over {ranges[0]}; {WAY_OUT}")
    for text in sorted(set(texts(config)) - set(texts(before))):
        if leads_out(text):
            raise CouldNotTryError(f"{text!r} leads out of the project; {WAY_OUT}")


def parameters(recorded: Mapping[str, object], space: Space) -> Params:
    """The winner's parameters: those of the recorded configuration that the space varies.

    Raises:
        CouldNotTryError: one lies outside of the space, as no search can have found it.
    """
    values = flatten(recorded)
    params: Params = {}
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
