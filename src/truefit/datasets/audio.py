"""Recordings of the user's own: WAV files, named after what they hold or in a folder per class."""

from __future__ import annotations

import re
import string
import warnings
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from scipy.io import wavfile

from truefit.core.prepared.findings import Finding, note
from truefit.datasets.checks import Source
from truefit.datasets.folders import (
    by_ending,
    empty_folders,
    given_split,
    labels_of,
    left_out,
    refuse_lost_classes,
    some,
    visible_files,
)

STRANGE = (Exception,)  # SciPy raises almost anything for files that are broken
FULL = 2**15  # int16 counts from -FULL to FULL - 1
ENDINGS = {".wav", ".wave"}
WAY_OUT = "convert recordings of other kinds to WAV (`ffmpeg -i name.flac name.wav`)"
AS_PCM = "`ffmpeg -i name.wav -c:a pcm_s16le new.wav` writes one that can be read"
LOUDEST = 16.0  # of samples from -1 to 1: no recorder goes 24 dB above its full scale
FAINT = 10.0  # 20 dB: the mean of independent channels is 3 dB fainter than each
CANCELLED = "recordings lose 20 dB or more as their channels cancel out; save one channel of each"
CLIPPED = "recordings of floats go beyond -1 to 1, where they are clipped; make them quieter"


def audio_folder(
    *,
    path: str,
    rate: Annotated[int, Ge(1)] = 8000,
    seconds: Annotated[float, Gt(0)] = 1.0,
    pattern: str | None = "{label}_{speaker}_{take}",
) -> Source:
    """`x` int16 (recordings, rate * seconds), `y` their labels, `keys` what else a name says.

    Shorter recordings end in zeros, longer ones are cut; stereo is averaged. Folders named train,
    val and test are the given splits.

    Args:
        path: a folder with .wav files, however deep.
        rate: samples a second, in all files.
        seconds: length of a row.
        pattern: what a file's name without its ending holds, `{label}` and any others; values of
            digits alone become numbers. `None`: the folder below `path` is the label.

    Raises:
        ValueError: no files, a name or sample rate that does not fit, an empty or broken recording;
            all such files are counted, ten are named.
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"data.path: expected a folder with .wav files, received {root}")
    found = visible_files(root)
    files = [file for file in found if file.suffix.lower() in ENDINGS]
    if not files:
        held = by_ending(found) or "no files"
        raise ValueError(f"{root}: expected .wav files, found {held}; {WAY_OUT}")
    if pattern is None:
        _refuse_loose(root, files)
        refuse_lost_classes(root, found, ENDINGS, WAY_OUT)
        folders, given = labels_of(root, files)
        fields = {"label": folders}
    else:
        fields, given = _from_names(files, pattern), given_split(root, files)
    x, findings = recordings(files, rate, seconds)
    for finding in findings:
        if finding.noted:
            note(finding)
    labels = np.array(fields.pop("label"))
    return {
        "x": x,
        "y": labels,
        "target": "label",
        "keys": {name: _numbered(values) for name, values in fields.items()},
        "findings": [
            *left_out(found, ENDINGS, WAY_OUT),
            *(empty_folders(root, found) if pattern is None else []),
            *findings,
        ],
        **given,
    }


def recordings(files: list[Path], rate: int, seconds: float) -> tuple[np.ndarray, list[Finding]]:
    """Return int16 samples (files, rate * seconds), and what is cut or lost in them.

    Raises:
        ValueError: some cannot be used; all are counted, ten are named.
    """
    x = np.zeros((len(files), max(1, round(rate * seconds))), np.int16)
    counts = _fill(x, files, rate)
    longer = f"recordings are longer than {seconds:g} s and are cut"
    found = [
        Finding("cut", counts["cut"], len(x), longer, noted=True),
        Finding("changed", counts["cancelled"], len(x), CANCELLED),
        Finding("changed", counts["clipped"], len(x), CLIPPED),
    ]
    return x, [one for one in found if one.count]


def _fill(x: np.ndarray, files: list[Path], rate: int) -> Counter[str]:
    """Read each file into its row; how many are cut or clipped, or have channels that cancel."""
    broken, counts = [], Counter[str]()
    for row, file in zip(x, files, strict=True):
        try:
            channels = _read(file, rate)
        except (ValueError, OSError) as error:
            broken.append(f"{file}: {error}")
            continue
        mixed = _mixed(channels)
        sound = _as_int16(mixed)
        counts["clipped"] += mixed.dtype.kind == "f" and bool((np.abs(mixed) > 1.0).any())
        quiet = _loudness(_as_int16(channels)) > FAINT * max(1.0, _loudness(sound))
        counts["cancelled"] += bool(quiet)
        counts["cut"] += len(sound) > len(row)
        row[: len(sound)] = sound[: len(row)]
    _refuse(broken, files, "recordings cannot be used; repair or remove them")
    return counts


def _refuse_loose(root: Path, files: list[Path]) -> None:
    loose = [str(file) for file in files if file.parent == root]
    _refuse(loose, files, f"recordings lie in no class folder; expected {root}/CLASS/name.wav")


def _from_names(files: list[Path], pattern: str) -> dict[str, list[str]]:
    expression, names = _expression(pattern)
    matches = [expression.fullmatch(file.stem) for file in files]
    strange = [str(file) for file, match in zip(files, matches, strict=True) if match is None]
    hint = f"names do not match {pattern!r}; rename them or set `data.pattern` (null: by folder)"
    _refuse(strange, files, hint)
    return {name: [match[name] for match in matches if match] for name in names}


def _expression(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    """The pattern as a regular expression; no field holds a character that stands between two."""
    try:
        parts = [(text, name) for text, name, _, _ in string.Formatter().parse(pattern)]
    except ValueError as error:
        raise ValueError(f"data.pattern: {pattern!r} cannot be read: {error}") from error
    names = [name for _, name in parts if name is not None]
    apart = all(text for text, name in parts[1:] if name is not None)
    usable = all(name.isidentifier() for name in names) and len(set(names)) == len(names)
    if "label" not in names or not usable or not apart:
        raise ValueError(
            "data.pattern: expected {label} and other names in braces, different and with "
            f"something between them, received {pattern!r}"
        )
    between = re.escape("".join(sorted({c for text, _ in parts for c in text})))
    field = f"[^{between}]+" if between else ".+"
    return re.compile(
        "".join(re.escape(t) + (f"(?P<{n}>{field})" if n else "") for t, n in parts)
    ), names


def _refuse(broken: list[str], files: list[Path], what: str) -> None:
    if broken:
        raise ValueError(f"{len(broken)} of {len(files)} {what}:\n  {some(broken)}")


def _read(file: Path, rate: int) -> np.ndarray:
    """The samples as they are stored, (samples,) or (samples, channels)."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", wavfile.WavFileWarning)  # a file that ends too early
        warnings.filterwarnings("ignore", "Chunk .non-data.", wavfile.WavFileWarning)  # a title
        try:
            found, samples = wavfile.read(file)
        except STRANGE as error:
            raise ValueError(
                f"it is no WAV file of plain samples, or a broken one ({error}); {AS_PCM}"
            ) from error
    if found != rate:
        raise ValueError(
            f"{found} samples a second, expected {rate}: resample it or set `data.rate`"
        )
    if not samples.size:
        raise ValueError("it holds no sound")
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        raise ValueError("it holds NaN or infinity")
    if samples.dtype.kind == "f" and (peak := float(np.abs(samples).max())) > LOUDEST:
        raise ValueError(
            f"its samples go up to {peak:g}, and those of a WAV file of floats are from -1 to 1: "
            "divide them by what they count to (32768 for 16 bits), or save whole numbers"
        )
    return np.asarray(samples)


def _mixed(samples: np.ndarray) -> np.ndarray:
    """The mean of the channels."""
    if samples.ndim == 1:
        return samples
    mixed: np.ndarray = samples.mean(axis=1).astype(samples.dtype)
    return mixed


def _loudness(samples: np.ndarray) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _as_int16(samples: np.ndarray) -> np.ndarray:
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.int16) - 128) * 256
    elif samples.dtype.kind == "i" and samples.dtype.itemsize > 2:
        samples = samples >> (8 * samples.dtype.itemsize - 16)
    elif samples.dtype.kind == "f":
        samples = np.clip(np.rint(samples * FULL), -FULL, FULL - 1)
    return samples.astype(np.int16)


def _numbered(values: list[str]) -> np.ndarray:
    return np.array([int(v) for v in values] if all(map(str.isdecimal, values)) else values)
