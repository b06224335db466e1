"""Folders of files: which are read, which are left out, what the folders' names say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from truefit.core.prepared.findings import Finding, note
from truefit.datasets.checks import Source

# What macOS, network disks, Windows and Linux leave beside the files of their users.
LITTER = {
    *("__MACOSX", "@eaDir", "Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN"),
    *("System Volume Information", "lost+found"),
}
# `seg_train`, `eval`, `holdout`, `fold_1`: parts of the data that are no given splits here.
PART_NAME = re.compile(
    r"(?:^|[ _-])(?:train|test|val|eval|evaluation|hold-?out|fold|part|split|cv)[ _-]?\d*$",
    re.IGNORECASE,
)
# A folder that is named so and nothing else; `spare part` may be a class.
ONLY_PART = re.compile(r"(?:fold|split|part|cv|eval|evaluation|hold-?out)[ _-]?\d*", re.IGNORECASE)
SHOWN = 10  # files that one message names
ENDINGS_SHOWN = 5
# `train`, `Training_set`, `val`, `valid`, `dev`, `test-images`
SPLIT_NAME = re.compile(
    r"(?:(?P<train>train(?:ing)?)|(?P<validation>val(?:id(?:ation)?)?|dev)|(?P<test>test(?:ing)?))"
    r"(?:[ _-]?(?:set|split|data|images?))?",
    re.IGNORECASE,
)


def visible_files(root: Path) -> list[Path]:
    """Return the files below a folder in order.

    What editors, archives and file managers leave behind is none of them.

    Raises:
        ValueError: a link leads nowhere, or to a folder, whose files DVC would not see.
    """
    places = _places(root)
    if links := [str(place) for place in places if place.is_symlink() and not place.is_file()]:
        raise ValueError(
            f"{len(links)} links below {root} lead nowhere or to a folder, expected files: DVC "
            "does not see what lies behind such a link. Move the folders here, set `path` to the "
            f"one that holds them all, or remove the links:\n  {some(links)}"
        )
    return [place for place in places if place.is_file()]


def files_beside(root: Path) -> list[Path]:
    """Return the same where one file is looked for: links to folders beside it do not matter."""
    return [place for place in _places(root) if place.is_file()]


def _places(root: Path) -> list[Path]:
    """Files and folders below `root` in order, without litter."""
    return [
        place
        for place in sorted(root.rglob("*"))
        if not any(is_litter(name) for name in place.relative_to(root).parts)
    ]


def is_litter(name: str) -> bool:
    """Whether a file or folder is one that no person has put there."""
    return name.startswith(".") or name in LITTER


def left_out(files: Sequence[Path], endings: Collection[str], way_out: str) -> list[Finding]:
    """Return the finding that counts the files of other endings; none if there are none."""
    others = [file for file in files if file.suffix.lower() not in endings]
    if not others:
        return []
    what = f"files are left out: {by_ending(others)}; {way_out}"
    return [Finding("skipped", len(others), len(files), what)]


def empty_folders(root: Path, found: Sequence[Path]) -> list[Finding]:
    """Return the finding that names folders below `root` in which no file lies."""
    folders = [f for f in sorted(root.iterdir()) if f.is_dir() and not is_litter(f.name)]
    held = {file.relative_to(root).parts[0] for file in found}
    if not (empty := [folder.name for folder in folders if folder.name not in held]):
        return []
    what = f"folders hold no file, so they are no classes: {', '.join(empty[:SHOWN])}"
    return [Finding("skipped", len(empty), len(folders), what)]


def refuse_lost_classes(
    root: Path, found: Sequence[Path], endings: Collection[str], way_out: str
) -> None:
    """Refuse class folders whose files are all of other kinds: the class would be lost.

    Args:
        root: the folder that holds the class folders, or those of given splits.
        found: its visible files.
        endings: of the files that are read, in small letters.
        way_out: how files of other kinds become such.

    Raises:
        ValueError: there are such folders; the message says what they hold.
    """
    parts = [file.relative_to(root).parts[:-1] for file in found]
    # `train/CLASS` where the folders are given splits, else `CLASS`
    depth = 2 if len({split_of(inner[0]) for inner in parts if inner} - {None}) > 1 else 1
    held: dict[tuple[str, ...], list[Path]] = {}
    for file, inner in zip(found, parts, strict=True):
        if len(inner) >= depth:
            held.setdefault(inner[:depth], []).append(file)
    lost = {
        folder: files
        for folder, files in held.items()
        if not any(file.suffix.lower() in endings for file in files)
    }
    if not lost:
        return
    lines = [f"{'/'.join(folder)}: {by_ending(files)}" for folder, files in lost.items()]
    raise ValueError(
        f"{root}: expected files that are read ({', '.join(sorted(endings))}) in each class "
        f"folder, received folders without one:\n  {some(lines)}\nFor a class, {way_out}, and give "
        f"files without an ending theirs; move any other folder out of {root}"
    )


def by_ending(files: Sequence[Path]) -> str:
    """Return how many files have which ending, the most frequent first: `6 .heic, 1 .txt`."""
    counts = Counter(file.suffix.lower() or "without an ending" for file in files)
    shown = [f"{count} {ending}" for ending, count in counts.most_common(ENDINGS_SHOWN)]
    rest = len(files) - sum(count for _, count in counts.most_common(ENDINGS_SHOWN))
    return ", ".join([*shown, *([f"{rest} others"] if rest else [])])


def some(lines: Sequence[str]) -> str:
    """Return the first ten lines, one below the other, and how many more there are."""
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n  ".join([*lines[:SHOWN], *more])


def labels_of(root: Path, files: Sequence[Path]) -> tuple[list[str], Source]:
    """Return the class folder of each file, and the masks of a split that the folders give.

    `root/CLASS/...`, `root/train/CLASS/...` and `root/CLASS/train/...` are understood; train, val
    and test may have their other usual names.

    Raises:
        ValueError: a file lies in no class folder, or there is a single class.
    """
    parts = [file.relative_to(root).parts for file in files]
    deep = [inner for inner in parts if len(inner) > 2]
    given = given_split(root, files)
    _refuse_parts_of_data(root, parts, given=bool(given))
    if given:
        if len(deep) < len(parts):
            loose = [str(f) for f, inner in zip(files, parts, strict=True) if len(inner) < 3]
            folders = ", ".join(sorted({inner[0] for inner in parts}))
            raise ValueError(
                f"{root}: the folders {folders} are named like splits, and files in them "
                f"lie in no class folder; expected {root}/train/CLASS/FILE. If they are classes, "
                f"rename them (class_train); move files without a class out of {root}:\n  "
                + some(loose)
            )
        return [inner[1] for inner in parts], given
    _refuse_one_folder(root, parts)
    inner_splits = {split_of(inner[1]) for inner in deep}
    if len(deep) == len(parts) and len(inner_splits) > 1 and None not in inner_splits:
        return [inner[0] for inner in parts], _masks([inner[1] for inner in parts], "folders")
    return [inner[0] for inner in parts], {}


def given_split(root: Path, files: Sequence[Path]) -> Source:
    """Return `is_test` and `is_validation` where the folders below `root` are train, val, test.

    Raises:
        ValueError: beside such folders there are others, or none of them is for training.
    """
    parts = [file.relative_to(root).parts for file in files]
    return _given(root, [inner[0] if len(inner) > 1 else "" for inner in parts], "folders")


def given_by_names(root: Path, files: Sequence[Path]) -> Source:
    """Return the same where the files themselves are `train.txt`, `wiki.valid.txt`, `test.txt`.

    Raises:
        ValueError: as `given_split`.
    """
    return _given(root, [re.split("[._-]", file.stem)[-1] for file in files], "files")


def _given(root: Path, names: list[str], what: str) -> Source:
    named = {name for name in names if split_of(name)}
    if len({split_of(name) for name in named}) < 2:
        return {}
    if others := sorted({*names} - named):
        raise ValueError(
            f"{root}: the {what} {', '.join(sorted(named))} are taken for given splits, and there "
            f"is {others[0] or 'a file beside them'} too: move it into one of the splits, or out "
            f"of {root}"
        )
    return _masks(names, what)


def split_of(name: str) -> str | None:
    """Return the split that a folder is named like, if it is."""
    found = SPLIT_NAME.fullmatch(name)
    return found.lastgroup if found else None


def _masks(names: list[str], what: str) -> Source:
    splits = np.array([split_of(name) for name in names])
    shown = f"the {what} {', '.join(sorted({*names}))}"
    if not (splits == "train").any():
        raise ValueError(
            f"{shown} are named like splits and none is for training: add one that is named train, "
            "or rename them if they are no splits"
        )
    found = [name for name in ("validation", "test") if (splits == name).any()]
    rest = [name for name in ("validation", "test") if name not in found]
    taken = f"; data.split.{rest[0]} is taken out of train" if rest else ""
    note(f"{shown} are taken as the given splits{taken}")
    masks: Source = {}
    if "validation" in found:
        masks["is_validation"] = splits == "validation"
    if "test" in found:
        masks["is_test"] = splits == "test"
    return masks


def _refuse_one_folder(root: Path, parts: list[tuple[str, ...]]) -> None:
    """A single folder that holds others is mostly one level too high."""
    inner = sorted({part[1] for part in parts if len(part) > 2})
    if len(only := {part[0] for part in parts}) > 1:
        return
    if len(inner) > 1:
        raise ValueError(
            f"{root}: its only folder is {min(only)}, which holds {', '.join(inner[:SHOWN])}: set "
            f"`path: {root / min(only)}` if these are the classes or splits"
        )
    raise ValueError(
        f"{root}: expected a folder for each class, at least two; its only folder is {min(only)}. "
        "Where a table says the classes, move each file into a folder named after its class"
    )


def _refuse_parts_of_data(root: Path, parts: list[tuple[str, ...]], *, given: bool) -> None:
    """Folders named like parts of the data, and alike or packed twice, are no classes.

    Nor are those that have such names alone. Folders that are a given split may hold the same
    classes.
    """
    tops = sorted({part[0] for part in parts if len(part) > 1})
    below = {top: {part[1] for part in parts if part[0] == top and len(part) > 2} for top in tops}
    twice = all(inner == {top} for top, inner in below.items())
    alike = len(set(map(frozenset, below.values()))) == 1 and len(below[tops[0]]) > 1
    named = [top for top in tops if PART_NAME.search(top) or split_of(top)]
    only = all(ONLY_PART.fullmatch(top) or split_of(top) for top in tops)
    of_parts = named == tops and (alike or only) and not given
    if len(tops) > 1 and named and (twice or of_parts):
        _refuse_parts(root, tops, sorted(set.union(*below.values())))


def _refuse_parts(root: Path, tops: list[str], inner: list[str]) -> None:
    """Say where the class folders belong, or how to get some."""
    received = f"{root}: expected a folder for each class, received {', '.join(tops[:SHOWN])}"
    if inner:
        raise ValueError(
            f"{received}, which hold {', '.join(inner[:SHOWN])}: move the class folders into "
            f"{root}/train and {root}/test (also val), or into {root} itself; if they are classes, "
            "rename them"
        )
    raise ValueError(
        f"{received}, which are named like parts of the data: move each file into a folder named "
        "after its class (if the names of sounds hold their class, set `data.pattern` instead); if "
        "they are classes, rename them"
    )
