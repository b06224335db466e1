"""`truefit init`: a new project of the user's own, with the same shape, that depends on truefit."""

from __future__ import annotations

import json
import keyword
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlparse

from jinja2 import Environment, StrictUndefined

from truefit import __version__
from truefit.core.errors import UserError
from truefit.core.resolved import read_yaml
from truefit.core.trees import flatten

TEMPLATE = Path(__file__).with_name("template")
CHECKOUT = Path(__file__).parents[3]
PARTS = (
    "conf",
    "pipelines/",
    "data/",
    "outputs/",
    "params.yaml",
    "resolved.yaml",
    "${",
)  # dvc.yaml's
VENDOR = "vendor"  # of truefit's wheel, where no index has it
# What a project takes as it is; a wheel has a copy of it.
SHARED = (
    "conf", "pipelines", "dvc.yaml", "requirements.txt", ".dvcignore", ".gitignore",
    "data/raw/README.md",
)  # fmt: skip
MODULES = {"preprocess": ["data"], "search": ["models"], "train": ["models"]}
MODULES |= {stage: ["models"] for stage in ("repeat", "evaluate")}
SHIPPED = ("truefit.", "keras.", "optuna.", "pandas.", "numpy.", "sklearn.")
Say = Callable[[str], None]


def init(folder: Path, package: str | None, say: Say) -> None:
    """Make a project in `folder`, which may be there and empty, as a git and DVC repository.

    Args:
        folder: its name is the project's.
        package: of the user's code; the folder's name in Python's letters where it is `None`.
        say: hears what to do next.

    Raises:
        UserError: the folder holds something, the package cannot be called so, or truefit's own
            wheel cannot be had.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and is not empty: choose a new folder")
    name = package or re.sub(r"\W+", "_", folder.name).strip("_").lower()
    _require_name(name, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".truefit-init-") as place:
        made = Path(place, "project")
        made.mkdir()
        known = {"package": name, "project": folder.name, "version": __version__}
        _write(made, {**known, "vendor": VENDOR if _bring_wheel(made / VENDOR) else ""})
        _make_repository(made)
        if folder.exists():
            folder.rmdir()
        made.replace(folder)
    say(f"{folder.name} is a project with the package {name}. Now:\n")
    say(f"  cd {shlex.quote(os.path.relpath(folder))}")
    say("  git add -A && git commit -m 'A new project'\n  make repro")


def _require_name(name: str, folder: Path) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UserError(
            f"a package cannot be called {name!r}: give it a name with --package, of letters, "
            "digits and underscores"
        )
    if name in ("conf", "pipelines", "tests", "data", "outputs") or find_spec(name):
        raise UserError(
            f"{name!r} is taken already, by a folder of the project or an installed package: give "
            f"the package of {folder.name} another name with --package"
        )


def _bring_wheel(folder: Path) -> bool:
    """Put truefit's own wheel there if it was installed from a folder or a file (PEP 610)."""
    told = json.loads(distribution("truefit").read_text("direct_url.json") or "{}")
    address = urlparse(told.get("url", ""))
    place = Path(unquote(address.path))
    if not told:  # from an index, or from the `vendor` of the project that is here
        ours = sorted(Path(VENDOR).glob(f"truefit-{__version__}-*.whl"))
        if not ours:
            return False
        place = ours[0]
    elif address.scheme != "file":
        raise UserError(
            f"truefit was installed from {told['url']}, which the new project cannot name: install "
            "it from an index, a wheel or a folder"
        )
    folder.mkdir()
    if place.is_file():
        shutil.copy(place, folder)
        return True
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    if place.is_dir():
        done = subprocess.run(build, cwd=place, capture_output=True, text=True, check=False)
        if not done.returncode:
            return True
        raise UserError(
            f"truefit's wheel cannot be built in {place} (it needs `pip install hatchling`): "
            f"{done.stderr.strip()}"
        )
    raise UserError(
        f"truefit was installed from {place}, which is gone, and the project needs it: install "
        "truefit again from where it is"
    )


def _write(folder: Path, known: dict[str, str]) -> None:
    source = CHECKOUT if (CHECKOUT / "dvc.yaml").exists() else TEMPLATE / "project"
    for part in SHARED:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source / part, target)
    forget_own(folder / "conf")
    (folder / "constraints.txt").write_text(pins((folder / "requirements.txt").read_text()))
    jinja = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no page
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    for file in sorted(TEMPLATE.rglob("*.j2")):
        parts = file.relative_to(TEMPLATE).with_suffix("").parts
        parts = (known["package"], *parts[1:]) if parts[0] == "package" else parts
        target = folder.joinpath(*((".ci", "run") if parts == ("ci_run",) else parts))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(jinja.from_string(file.read_text()).render(known))
    (folder / ".ci" / "run").chmod(0o755)
    _edit(folder / "dvc.yaml", lambda text: stages(text, known["package"]))
    _edit(
        folder / "conf" / "config.yaml",
        lambda text: _own_names(text, known["package"], known["project"]),
    )


def forget_own(conf: Path) -> None:
    """Remove files that name code or data of the project they come from, or build on such a one.

    Raises:
        UserError: one is not YAML.
    """
    trees = {file: read_yaml(file) or {} for file in conf.glob("*/**/*.yaml")}
    gone = {file for file, tree in trees.items() if _is_own(tree)}
    while more := {f for f in trees.keys() - gone if _bases(f, trees[f], conf) & gone}:
        gone |= more
    for file in gone:
        file.unlink()


def _is_own(tree: Mapping[str, object]) -> bool:
    values = flatten(tree)
    targets = [str(value) for key, value in values.items() if key.split(".")[-1] == "_target_"]
    path = str(values.get("path") or "$")
    return any(not t.startswith(SHIPPED) for t in targets) or not path.startswith(("$", "?"))


def _bases(file: Path, tree: Mapping[str, object], conf: Path) -> set[Path]:
    """The files that the defaults list of `file` names."""
    found = set()
    defaults = tree.get("defaults")
    for entry in defaults if isinstance(defaults, list) else ():
        if isinstance(entry, str):
            found.add(file.with_name(f"{entry}.yaml"))
        for group, name in entry.items() if isinstance(entry, dict) else ():
            folder = group.removeprefix("override ").partition("@")[0].strip()
            place = conf / folder[1:] if folder.startswith("/") else file.parent / folder
            found.add(place / f"{name}.yaml")
    return found


def pins(requirements: str) -> str:
    """The exact versions of a file with hashes, as constraints."""
    lines = [line.rstrip(" \\") for line in requirements.splitlines()]
    named = [line for line in lines if line and not line.startswith((" ", "#", "-"))]
    return "# Versions that truefit was tested with.\n" + "\n".join(named) + "\n"


def stages(text: str, package: str) -> str:
    """dvc.yaml for a project whose truefit is installed: its version stands in requirements.txt."""
    found, stage = [], ""
    for line in text.splitlines():
        if match := re.fullmatch(r"  (\w+):", line):
            stage = match[1]
        if "src/truefit" in line and not line.startswith("#"):
            continue
        if (dep := re.match(r"      - ([^\s:]+)", line)) and not dep[1].startswith(PARTS):
            continue  # code of the project that dvc.yaml comes from
        found.append(line.replace("PYTHONPATH=src:. ", "PYTHONPATH=. "))
        if f"pipelines/{stage}.py" in line and line.startswith("      - "):
            found.append("      - requirements.txt")
            found += [f"      - {package}/{module}.py" for module in MODULES.get(stage, [])]
    head = (
        "# The pipeline: `dvc repro` runs what changed. Each stage names the code, the data and\n"
        "# the parts of resolved.yaml that its result depends on; requirements.txt has truefit's\n"
        "# version.\n"
    )
    return head + "\n".join(found[found.index("stages:") :]) + "\n"


def _own_names(text: str, package: str, project: str) -> str:
    """conf/config.yaml with the project's own data and model as defaults."""
    for old, new in (
        (
            r"^# The defaults.*",
            "# The defaults: what `dvc repro` runs where params.yaml says nothing.",
        ),
        (r"^  - data: \w+$", "  - data: own"),
        (r"^  - model: \w+$", "  - model: own"),
        (r"^mlflow_experiment: truefit\b", f"mlflow_experiment: {project}"),
        (r"^packages: \[.*?\]", f"packages: [{package}]"),
    ):
        text = re.sub(old, new, text, flags=re.MULTILINE)
    return text


def _edit(file: Path, change: Callable[[str], str]) -> None:
    file.write_text(change(file.read_text()))


def _make_repository(folder: Path) -> None:
    for command in (
        ["git", "init", "--quiet", "--initial-branch=main"],
        ["dvc", "init", "--quiet"],
        ["dvc", "config", "core.analytics", "false"],
        ["dvc", "config", "hydra.enabled", "false"],
    ):
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise UserError(
                f"{command[0]} is not on PATH: activate the environment of truefit, or install it"
            ) from None
        if done.returncode:
            raise UserError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
