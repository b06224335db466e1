"""Uncommitted changes that a tracker alone has: git applies them to its index, and only choices.

What git makes of them is looked at before any of it lies in a folder. A text search in a diff would
have to know all that git's own parser knows.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from truefit.core.resolved import plain_yaml
from truefit.verify.git import git
from truefit.verify.verdict import CouldNotTryError

WAY_OUT = (
    "the tracker alone has it: read the run's file uncommitted.diff.txt, then `truefit verify "
    "RUN_ID --trust-uncommitted`"
)
FILE = "100644"  # git's mode of a plain file; a link has 120000, a submodule 160000
REFERENCE = re.compile(r"\$\{(?![\w.]+\})")  # all but `${a.key}`: an `${oc.env:...}` reads more
BINARY = re.compile(r"^(GIT binary patch|Binary files)", re.MULTILINE)  # may unpack to any size


@dataclass(frozen=True)
class Entry:
    """A file in git's index: its mode, and the name of its content."""

    mode: str
    content: str


Index = dict[str, Entry]  # by path, from the top of the repository


def check_out_choices(tree: Path, commit: str, diff: str, prefix: str) -> None:
    """The commit with its changes lies in `tree`, if they are no more than choices.

    Args:
        tree: an empty repository that has the commit's objects.
        commit: its full name.
        diff: the changes, as git wrote them for the project.
        prefix: the project's folder in the repository, empty or ending in `/`.

    Raises:
        CouldNotTryError: the changes do not apply, touch other files than params.yaml and the
            texts of conf/, or ask for what lies outside of them.
    """
    if code := [name for name in changed_files(diff) if not _is_choice(name)]:
        shown = code[0] if code[0].isprintable() else repr(code[0])
        raise CouldNotTryError(f"the run has code that is in no commit ({shown}); {WAY_OUT}")
    committed = _index(git(tree, "ls-tree", "-r", "-z", "--full-tree", commit).stdout)
    before = {name: one for name, one in committed.items() if _is_chosen_from(name, prefix)}
    # With no other file in the index nothing can be copied from one, or changed beside them.
    _put(tree, before)
    apply(tree, diff, prefix, "--cached")
    after = _index(git(tree, "ls-files", "--stage", "-z").stdout)
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            _require_plain(tree, prefix, name, before.get(name), after.get(name))
    _put(tree, {name: one for name, one in committed.items() if name not in before})
    git(tree, "checkout-index", "--all")
    git(tree, "update-ref", "--no-deref", "HEAD", commit)


def changed_files(diff: str) -> list[str]:
    """The files that a diff touches, as git reads it.

    Raises:
        CouldNotTryError: it is no diff of texts.
    """
    if odd := BINARY.search(diff):
        raise CouldNotTryError(f"the run's uncommitted changes have more than texts: {odd[0]!r}")
    with tempfile.TemporaryDirectory() as place:
        git(Path(place), "init", "--quiet")
        done = git(Path(place), "apply", "--numstat", "-z", "-", check=False, text=diff)
    if done.returncode:
        raise CouldNotTryError(f"the stored changes are no diff: {done.stderr.strip()[:200]}")
    return [part.split("\t", 2)[2] for part in done.stdout.split("\0") if part]


def apply(tree: Path, diff: str, prefix: str, *options: str) -> None:
    """Git applies a diff; it refuses paths that lead out of the repository or through a link.

    Raises:
        CouldNotTryError: it does not apply.
    """
    place = [f"--directory={prefix}"] if prefix else []
    given = ("--whitespace=nowarn", *options, *place, "-")
    done = git(tree, "apply", *given, check=False, text=diff)
    if done.returncode:
        raise CouldNotTryError(
            f"the run's uncommitted changes do not apply to its commit: {done.stderr.strip()[:300]}"
        )


def _is_choice(name: str) -> bool:
    inside = name.startswith("conf/") and ".." not in Path(name).parts
    return name == "params.yaml" or (inside and name.endswith(".yaml") and name.isprintable())


def _is_chosen_from(name: str, prefix: str) -> bool:
    return name == f"{prefix}params.yaml" or name.startswith(f"{prefix}conf/")


def _index(listed: str) -> Index:
    """What `ls-tree` or `ls-files --stage` lists: mode, (type,) content, (stage,) path."""
    found = {}
    for line in listed.split("\0"):
        if line:
            described, _, name = line.partition("\t")
            mode, *_, content = (part for part in described.split() if len(part) > 1)
            found[name] = Entry(mode, content)
    return found


def _put(tree: Path, entries: Index) -> None:
    """Add to git's index, which names contents and holds no file."""
    lines = [f"{one.mode} {one.content}\t{name}\0" for name, one in entries.items()]
    git(tree, "update-index", "-z", "--index-info", text="".join(lines))


def _require_plain(
    tree: Path, prefix: str, name: str, old: Entry | None, new: Entry | None
) -> None:
    """One changed file is a text that refers to the configuration's own keys and nothing else."""
    short = name.removeprefix(prefix)
    modes = [one.mode for one in (old, new) if one]
    if not _is_choice(short) or set(modes) != {FILE}:
        raise CouldNotTryError(
            "the run's uncommitted changes have more than texts: "
            f"{short!r} with git's mode {' -> '.join(modes)}; {WAY_OUT}"
        )
    if new is None:
        return
    try:
        held = plain_yaml(_content(tree, new))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        said = str(error).replace("\n", " ")[:200]
        raise CouldNotTryError(f"the run's {short} is no plain YAML: {said}") from None
    for text in sorted(set(texts(held)) - set(texts(_committed(tree, old)))):
        if text == "hydra" or REFERENCE.search(text) or leads_out(text):
            raise CouldNotTryError(f"the run's {short} asks for {text[:60]!r}; {WAY_OUT}")


def _content(tree: Path, entry: Entry) -> str:
    shown = git(tree, "cat-file", "blob", entry.content).stdout
    return shown.encode(errors="surrogateescape").decode()


def _committed(tree: Path, entry: Entry | None) -> object:
    """What the commit has in the place of a changed file; its texts count as known."""
    try:
        return yaml.safe_load(_content(tree, entry)) if entry else None
    except (ValueError, yaml.YAMLError):
        return None


def leads_out(text: str) -> bool:
    """Whether it would be a place outside of the project, or an address."""
    path = Path(text)
    return path.is_absolute() or text.startswith("~") or ".." in path.parts or "://" in text


def texts(held: object) -> list[str]:
    """Every text in a configuration, keys included."""
    if isinstance(held, dict):
        return [text for pair in held.items() for part in pair for text in texts(part)]
    if isinstance(held, list | tuple | set):
        return [text for part in held for text in texts(part)]
    return [held] if isinstance(held, str) else []
