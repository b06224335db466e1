"""The compose stage: params.yaml and conf/ become resolved.yaml, or one clear message."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException, UnsupportedInterpolationType

from truefit.config.choices import read_choices
from truefit.config.edits import (
    edit_notes,
    is_temporary,
    left_behind,
    lost_choice,
    with_way_out,
)
from truefit.config.faults import faults
from truefit.core.errors import UserError, nearest
from truefit.core.files import write_text
from truefit.core.paths import RESOLVED, input_path
from truefit.core.resolved import (
    CONTENT,
    HEADER,
    SOURCE,
    content_digest,
    dump,
    is_edited,
    not_yaml,
    read_yaml,
    require_one_reading,
    source_digest,
    sources,
)
from truefit.search.check import search_faults, search_notes, stale_ranges
from truefit.search.ranges import LONG_FORM

if TYPE_CHECKING:
    from truefit.config.schema import Config


def compose() -> None:
    """Write resolved.yaml, whole or not at all.

    Raises:
        UserError: names every fault of params.yaml and of the configuration it chooses.
    """
    params = read_yaml(Path("params.yaml"))
    try:
        for file in sources():
            require_one_reading(file)
        if (
            isinstance(params, dict)
            and "DVC_EXP_NAME" in os.environ
            and (said := lost_choice(params))
        ):
            raise UserError(said)  # noqa: TRY301 - the same way back as from any other fault
        config = resolve(params if params is not None else {})
    except UserError as error:
        if "DVC_EXP_NAME" not in os.environ:
            raise
        _let_git_see(Path("params.yaml"))
        back = ["`git checkout HEAD -- params.yaml` undoes what `-S` wrote there"]
        ways = left_behind() if is_temporary() else back
        raise UserError("\n".join([str(error), *ways])) from None
    if is_edited():
        print("note: resolved.yaml was edited by hand, which is lost now: edit params.yaml instead")
    digests = {SOURCE: source_digest(), CONTENT: content_digest(dump(config))}
    write_text(RESOLVED, HEADER + dump({**config, **digests}))
    _say(config, params or {})


def _let_git_see(file: Path) -> None:
    """Give `file` another time of change than DVC told git.

    DVC writes params.yaml and git's index within one second; where the size is the same too, git
    takes the file for unchanged, and no checkout touches it.
    """
    changed = file.stat().st_mtime_ns + 10**9
    os.utime(file, ns=(changed, changed))


def resolve(params: Any) -> Config:
    """The configuration that `params` chooses, valid and without open ends.

    Raises:
        UserError: as `compose`.
    """
    choices, values = read_choices(params)
    with _configuration_alone():
        composed: Any = _lift_space(_merge(_compose(choices), values), _ranges_set(values))
    config: Config = composed  # once it has no fault
    if found := faults(composed):
        said = with_way_out([*found, *stale_ranges(composed, found)], params)
    else:
        said = [*with_way_out(search_faults(config), params), *_path_faults(config)]
    if said:
        raise UserError("the configuration cannot be used:\n" + "\n".join(f"  - {s}" for s in said))
    return config


@contextlib.contextmanager
def _configuration_alone() -> Iterator[None]:
    """A `${...}` reads other keys and nothing else: resolved.yaml, which git keeps, shows it.

    Raises:
        UserError: one asks for the environment, the time, or Hydra's own settings.
    """
    try:
        yield
    except UnsupportedInterpolationType as error:
        kind, key = str(error.msg).splitlines()[0].rpartition(" ")[2], error.full_key or "conf/"
        raise UserError(
            f"{key}: expected a value or another key (`${{a.key}}`), received `${{{kind}:...}}`: "
            "what it gives would stand in resolved.yaml, which git keeps. Write the value, or read "
            "it with `os.environ` in a function of your own that needs it"
        ) from None
    finally:
        OmegaConf.clear_resolvers()


def _forget_resolvers() -> None:
    """OmegaConf's own resolvers stay, but for the one that reads the environment."""
    OmegaConf.clear_resolvers()
    OmegaConf.clear_resolver("oc.env")


def _compose(choices: dict[str, str]) -> DictConfig:
    overrides = [f"{group}={name}" for group, name in choices.items()]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(Path("conf").resolve()), version_base="1.3"):
            _forget_resolvers()  # now, as Hydra has just added its own
            config: DictConfig = hydra_compose("config", overrides=overrides)
    except UnsupportedInterpolationType:
        raise
    except MissingConfigException as error:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        options = {file.stem for file in Path("conf", group).glob("*.yaml")}
        said = str(error).splitlines()[0]
        raise UserError(f"conf/ cannot be composed: {said}{nearest(name, options)}") from error
    except (HydraException, OmegaConfBaseException, OSError, UnicodeError, RecursionError) as error:
        raise UserError(f"conf/ cannot be composed: {error}") from error
    except yaml.YAMLError as error:
        file = getattr(getattr(error, "problem_mark", None), "name", "a file of conf/")
        raise UserError(not_yaml(file, error)) from error
    OmegaConf.set_struct(config, False)
    return config


def _merge(config: DictConfig, values: list[dict[str, object]]) -> dict[str, object]:
    try:
        for block in values:
            _merge_block(config, block, "")
        return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]
    except UnsupportedInterpolationType:
        raise
    except OmegaConfBaseException as error:
        raise UserError(f"{error.full_key or 'conf/'}: {str(error).splitlines()[0]}") from error


def _merge_block(config: DictConfig, block: Mapping[str, object], prefix: str) -> None:
    for key, value in block.items():
        current = OmegaConf.select(config, key) if "." not in key else None
        if isinstance(value, dict) and isinstance(current, DictConfig):
            _merge_block(current, value, f"{prefix}{key}.")
        elif isinstance(current, DictConfig) and value is not None:
            raise UserError(
                f"params.yaml: {prefix}{key}: expected a block, received {value!r}"
                + _choice_hint(prefix.partition(".")[0], value)
            )
        else:
            config[key] = value


def _choice_hint(group: str, value: object) -> str:
    """What chooses the file of that name for a whole group, as `sampler: gp` may mean."""
    is_name = isinstance(value, str) and value.isidentifier()
    if not group or not is_name or not Path("conf", group, f"{value}.yaml").is_file():
        return ""
    return f": `dvc exp run -S '++set.{group}={value}'` chooses conf/{group}/{value}.yaml"


def _ranges_set(values: list[dict[str, object]]) -> set[str]:
    """The keys whose ranges params.yaml sets beside a group's values, and not below `search`."""
    beside: set[str] = set()
    below: set[str] = set()
    for group, block in (item for given in values for item in given.items()):
        space = block.get("space") if isinstance(block, dict) else None
        if isinstance(space, dict) and group == "search":
            below |= {*_dotted(space)}
        elif isinstance(space, dict):
            beside |= {*_dotted(space, f"{group}.")}
    return beside - below


def _lift_space(config: dict[str, object], ranges_set: set[str]) -> dict[str, object]:
    """`space:` blocks beside a group's values become dotted keys of `search.space`.

    So a changed range re-runs the search and not the training. What params.yaml sets wins over the
    ranges that a file of conf/search has.
    """
    gathered: dict[str, object] = {}
    for group, block in config.items():
        if isinstance(block, dict) and group != "search" and isinstance(block.get("space"), dict):
            gathered |= _dotted(block.pop("space"), f"{group}.")
    search = config.get("search")
    if isinstance(search, dict) and isinstance(search.get("space"), dict):
        given = {key: rule for key, rule in gathered.items() if key in ranges_set}
        asked = {**gathered, **_dotted(search["space"]), **given}
        search["space"] = {key: rule for key, rule in asked.items() if rule is not None}
    return config


def _dotted(space: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """`-S` nests what it sets: blocks that are no range of the long form hold ranges."""
    rules: dict[str, object] = {}
    for key, rule in space.items():
        if isinstance(rule, dict) and not LONG_FORM & set(rule):
            rules |= _dotted(rule, f"{prefix}{key}.")
        else:
            rules[f"{prefix}{key}"] = rule
    return rules


def _path_faults(config: Config) -> list[str]:
    path, seen = config["data"].get("path"), config["path"]
    if seen.startswith("~"):
        whole = Path(seen).expanduser()
        return [f"path: DVC knows no `~`, received {seen!r}: write {str(whole)!r}"]
    if path is None or input_path(path).exists():
        return []
    missing = f"data.path: there is no file or folder {path!r}; name it with `path:` in params.yaml"
    slashes = "; folders end in /, and C:\\ is /mnt/c in WSL" if "\\" in path else ""
    return [f"{missing} (relative paths start at the project{slashes}), or `-S path=FILE`"]


def _say(config: Config, params: Mapping[str, object]) -> None:
    path, seen = config["data"].get("path"), config["path"]
    if path is not None and not input_path(path).resolve().is_relative_to(
        input_path(seen).resolve()
    ):
        print(
            f"note: data.path={path} is outside `path: {seen}` of params.yaml: DVC does not see it "
            "change; name it with `path:` instead"
        )
    if "weights" in config["model"] and config["model"]["weights"] is None:
        print(
            "note: model.weights is null: the layers that start frozen have random weights, not "
            "pretrained ones; `-S '++set.model.weights=imagenet'` downloads those of ImageNet"
        )
    for note in [*edit_notes(params, path), *search_notes(config)]:
        print(f"note: {note}")
    watched = _dependencies()
    for package in config["packages"]:
        if not any(package in Path(dependency).parts for dependency in watched):
            print(
                f"note: no stage in dvc.yaml depends on {package}: DVC does not see its edits; "
                "add it under `deps:` of the stages that use it"
            )
    of = "" if path is None else f" ({path})"
    print(
        f"composed: data={config['data']['_target_'].rpartition('.')[2]}{of} "
        f"model={config['model']['_target_'].rpartition('.')[2]} "
        f"optimizer={config['optimizer']['_target_'].rpartition('.')[2]} "
        f"trials={config['search']['n_trials']} seed={config['seed']} backend={config['backend']}"
    )


def _dependencies() -> set[str]:
    """What the stages of dvc.yaml depend on; empty without one."""
    file = Path("dvc.yaml")
    stages = (read_yaml(file) or {}).get("stages", {}) if file.exists() else {}
    return {str(name) for stage in stages.values() for name in stage.get("deps", [])}
