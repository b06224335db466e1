"""Writes commands.md and keys.md: what the command line and the schema say, so that no page drifts.

python docs/reference.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from truefit.config.schema import ADAPTER
from truefit.core.files import write_text
from truefit.stages.compose import resolve

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MADE = "<!-- Made by docs/reference.py; do not edit. -->\n"
# The file of each section whose values are the defaults.
SOURCES = {
    "": "config", "training": "training/default", "regularization": "regularization/none",
    "search": "search/_base", "search.engine": "search/engine/ray", "runtime": "runtime/default",
    "evaluation": "evaluation/default", "promotion": "promotion/default",
}  # fmt: skip
WORDS = {
    "integer": "whole number", "string": "text", "boolean": "true or false", "object": "block",
}  # fmt: skip
OPEN = ("data", "task", "model", "optimizer", "augmentation", "pruner")  # blocks of a `_target_`


def main() -> None:
    """Write both pages."""
    os.chdir(ROOT)
    write_text(DOCS / "commands.md", commands())
    write_text(DOCS / "keys.md", keys())


def commands() -> str:
    """Every command with its options, as `truefit COMMAND --help` has them."""
    told = subprocess.run(
        [sys.executable, "-m", "typer", "truefit.cli", "utils", "docs", "--name", "truefit"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip
    body = told.stdout.replace("# `truefit`", "# Commands", 1).replace("Example: ", "\nExample: ")
    lines = [
        f"`{line.removeprefix('Example: ')}`" if line.startswith("Example: ") else line.rstrip()
        for line in body.splitlines()
    ]
    return MADE + "\n".join(lines).rstrip() + "\n"


def keys() -> str:
    """Every key of resolved.yaml that has a type of its own, and every choice of conf/."""
    rows = [
        f"| `{key}` | {expected} | `{default}` | {words} |"
        for key, expected, default, words in described()
    ]
    head = (
        f"{MADE}# Keys and choices\n\nWhat `conf/` says of each key. Values go under `set:` of "
        "params.yaml, or on the command line:\n`dvc exp run -S '++set.training.patience=3'`; "
        "[Configuration](configuration.md) has the rules.\n\n## Keys\n\n"
        "| key | expected | default | |\n|---|---|---|---|\n"
    )
    listed = "".join(
        choices(folder) for folder in sorted(Path("conf").iterdir()) if folder.is_dir()
    )
    tail = f"\n\n## Choices\n\nA file of each folder, as `-S model=cnn`.\n{listed}"
    return head + "\n".join(rows) + tail


def described() -> Iterator[tuple[str, str, str, str]]:
    """Key, what is expected, default, meaning."""
    schema = ADAPTER.json_schema()
    definitions, defaults = schema["$defs"], resolve({})
    comments = {name: comments_of(Path(f"conf/{file}.yaml")) for name, file in SOURCES.items()}
    yield from _section("", schema, definitions, defaults, comments)


def _section(
    name: str, section: Any, known: Any, defaults: Any, comments: dict[str, dict[str, str]]
) -> Iterator[tuple[str, str, str, str]]:
    for key, what in section["properties"].items():
        dotted = f"{name}.{key}".lstrip(".")
        inner = known.get(what.get("$ref", "").rpartition("/")[2])
        if inner and dotted not in OPEN and inner["title"] != "Target":
            value = defaults.get(key) if isinstance(defaults, dict) else None
            yield from _section(dotted, inner, known, value, comments)
            continue
        if dotted in OPEN or inner or "oneOf" in what:
            continue  # a block of a `_target_`, or an engine: its choices are listed below
        above = [place for place in comments if not place or dotted.startswith(f"{place}.")]
        source = max(above, key=len)
        words = comments[source].get(dotted.removeprefix(source).lstrip("."), "")
        value = defaults.get(key) if isinstance(defaults, dict) and key != "space" else {}
        shown = yaml.safe_dump(value, default_flow_style=True).split("\n")[0]
        yield dotted, expects(what, known), shown, words.replace("|", "\\|")


def expects(what: Any, known: Any) -> str:
    """A type of a JSON schema in words."""
    if "$ref" in what:
        fields = known[what["$ref"].rpartition("/")[2]]["properties"]
        return "{" + ", ".join(fields) + "}"
    if "anyOf" in what:
        return " or ".join(expects(one, known) for one in what["anyOf"])
    if "enum" in what or "const" in what:
        return ", ".join(f"`{one}`" for one in what.get("enum", [what.get("const")]))
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {what[key]:g}" for key, sign in signs.items() if key in what]
    if what.get("type") == "array":
        return f"list of {expects(what['items'], known)}"
    names = {
        "integer": "whole number",
        "string": "text",
        "boolean": "true or false",
        "object": "block",
    }
    return " ".join([names.get(what["type"], what["type"]), " and ".join(bounds)]).strip()


def comments_of(file: Path) -> dict[str, str]:
    """What stands after `#` on the line of each key of a YAML, and on lines of their own below."""
    text = file.read_text().splitlines()
    found: dict[str, str] = {}

    def walk(node: Any, prefix: str) -> None:
        for key, value in node.value:
            line, *further = text[key.start_mark.line :]
            name = f"{prefix}{key.value}"
            on = takewhile(lambda text: text.startswith(" ") and text.lstrip()[:1] == "#", further)
            said = [line.partition(" # ")[2], *(text.strip("# ") for text in on)]
            found[name] = " ".join(said).strip()
            if isinstance(value, yaml.MappingNode):
                walk(value, f"{name}.")

    walk(yaml.compose(file.read_text()), "")
    return found


def choices(folder: Path) -> str:
    """A table of the files of one folder of conf/, by what they say of themselves."""
    rows = [f"| `{file.stem}` | {about(file)} |" for file in sorted(folder.glob("[!_]*.yaml"))]
    inner = [f for f in sorted(folder.iterdir()) if f.is_dir()]
    rest = "".join(choices(one) for one in inner)
    name = folder.relative_to("conf").as_posix()
    return f"\n### {name}\n\n| | |\n|---|---|\n" + "\n".join(rows) + "\n" + rest


def about(file: Path) -> str:
    """The comment at a file's head."""
    lines = []
    for line in file.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").strip())
    return " ".join(lines).replace("|", "\\|")


if __name__ == "__main__":
    main()
