"""Data that the user's machine fetches once, or reads from a file that is already there.

A fetched file lies in `~/.cache/truefit` (or `$TRUEFIT_DATA`), whole and with the SHA-256 that is
written here, or not at all. These sources call others, which import nothing of ours.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import pooch
from annotated_types import Ge

from truefit.datasets.checks import Source
from truefit.datasets.features import features
from truefit.datasets.npz import npz
from truefit.datasets.ratings import as_ratings, ratings
from truefit.datasets.text import text


class Remote(NamedTuple):
    """A file at its source, and what it must hash to."""

    url: str
    sha256: str


MNIST = Remote(
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
CIFAR10 = Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
MOVIELENS = Remote(
    "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
)
SHAKESPEARE = Remote(
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
RECORD = 1 + 3 * 32 * 32  # bytes: the class, then the red, green and blue planes


def mnist(*, path: str | None = None) -> Source:
    """70,000 handwritten digits, `x` uint8 (rows, 28, 28, 1), with the given test split of 10,000.

    Args:
        path: mnist.npz (`x_train y_train x_test y_test`) or its folder; `None` fetches it.

    Raises:
        ValueError: the file cannot be fetched, or is another.
    """
    return npz(path=str(_place(path, MNIST))) | {"target": "digit"}


def cifar10(*, path: str | None = None) -> Source:
    """60,000 photographs of ten classes, `x` uint8 (rows, 32, 32, 3), given test split of 10,000.

    Args:
        path: cifar-10-binary.tar.gz or what it holds (data_batch_1.bin ...); `None` fetches it.

    Raises:
        ValueError: the file cannot be fetched, or is another, such as the pickled version.
    """
    place = _place(path, CIFAR10)
    parts = _cifar_folder(place) if place.is_dir() else _cifar_archive(place)
    counts = [len(part) for part in parts]
    rows = np.concatenate(parts)
    x = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    is_test = np.arange(len(rows)) >= sum(counts[:-1])
    return {"x": x, "y": np.array(CLASSES)[rows[:, 0]], "target": "object", "is_test": is_test}


def movielens_100k(*, path: str | None = None) -> Source:
    """100,000 ratings from 1 to 5 of 1,682 films by 943 users, with what is known of both.

    Args:
        path: ml-100k.zip, its folder, or a folder of RecBole's ml-100k.inter, .user and .item;
            `None` fetches the archive. Its terms forbid redistribution.

    Raises:
        ValueError: the file cannot be fetched, or is another.
    """
    place = _place(path, MOVIELENS)
    if place.is_dir() and (place / "ml-100k.inter").is_file():
        return ratings(
            path=str(place / "ml-100k.inter"),
            time="timestamp",
            range=[1, 5],
            user_features=str(place / "ml-100k.user"),
            item_features=str(place / "ml-100k.item"),
        )
    open_file = _movielens_files(place)
    columns = ["user_id", "item_id", "rating"]
    users = _columns(open_file("u.user"), ["user_id", "age", "gender", "occupation", "zip_code"])
    return as_ratings(
        _columns(open_file("u.data"), [*columns, "timestamp"], "\t"),
        where=f"{place} (u.data)",
        columns=columns,
        time="timestamp",
        bounds=[1, 5],
        tables={
            "user_id": features(users, f"{place} (u.user)"),
            "item_id": features(_films(open_file), f"{place} (u.item)"),
        },
    )


def shakespeare(*, path: str | None = None, length: Annotated[int, Ge(1)] = 100) -> Source:
    """Tiny Shakespeare, 1,115,394 characters of plays, in windows as `truefit.datasets.text.text`.

    Args:
        path: input.txt, or a folder of .txt files; `None` fetches it.
        length: characters that a model sees of a window.

    Raises:
        ValueError: the file cannot be fetched or read.
    """
    return text(path=str(_place(path, SHAKESPEARE)), length=length)


def fetch(remote: Remote) -> Path:
    """The file of `remote` on this machine, fetched if it is not there or does not match.

    Raises:
        ValueError: it cannot be fetched or is not what it was; nothing of it is kept.
    """
    folder = Path(os.environ.get("TRUEFIT_DATA") or "~/.cache/truefit").expanduser()
    name = remote.url.rpartition("/")[2]
    if not (folder / name).is_file():
        print(f"fetching {remote.url} ...", flush=True)
    pooch.get_logger().setLevel("WARNING")
    try:
        found = pooch.retrieve(
            remote.url,
            known_hash=f"sha256:{remote.sha256}",
            fname=name,
            path=folder,
            downloader=pooch.HTTPDownloader(progressbar=False, chunk_size=2**20),
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name} could not be fetched from {remote.url} into {folder}: {_cause(error)}. Get it "
            "by other means and name the file: `dvc exp run -S '++set.data.path=FILE'`"
        ) from error
    return Path(found)


def _cause(error: BaseException) -> str:
    """What lies below the layers of a network library, in its own words."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).rstrip(".") or type(error).__name__


def _place(path: str | None, remote: Remote) -> Path:
    if path is None:
        return fetch(remote)
    place = Path(path)
    if not place.exists():
        raise ValueError(f"data.path: there is no {path}; `null` fetches it from {remote.url}")
    inside = place / remote.url.rpartition("/")[2]
    return inside if inside.is_file() else place


def _cifar_folder(folder: Path) -> list[np.ndarray]:
    inner = folder / "cifar-10-batches-bin"
    place = inner if inner.is_dir() else folder
    found = {name: place / name for name in BATCHES if (place / name).is_file()}
    return _cifar(folder, {name: file.read_bytes() for name, file in found.items()})


def _cifar_archive(file: Path) -> list[np.ndarray]:
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if stream and (name := Path(member.name).name) in BATCHES:
                    contents[name] = stream.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{file} is no .tar.gz archive, or a broken one: fetch it again from {CIFAR10.url}"
        ) from error
    return _cifar(file, contents)


def _cifar(where: Path, contents: dict[str, bytes]) -> list[np.ndarray]:
    if missing := [name for name in BATCHES if name not in contents]:
        raise ValueError(
            f"{where}: {missing[0]} is missing; expected the binary version of CIFAR-10 ("
            f"{CIFAR10.url}), not the pickled one for Python"
        )
    parts = []
    for name in BATCHES:
        if not contents[name] or len(contents[name]) % RECORD:
            raise ValueError(f"{where}: {name} is no whole number of images: fetch it again")
        part = np.frombuffer(contents[name], np.uint8).reshape(-1, RECORD)
        if part[:, 0].max() >= len(CLASSES):
            raise ValueError(f"{where}: {name} has the class {part[:, 0].max()}, expected 0 to 9")
        parts.append(part)
    return parts


def _movielens_files(place: Path) -> Callable[[str], BytesIO]:
    """How to open a file of MovieLens by its name, in an archive or a folder."""
    if place.is_dir():
        folder = place / "ml-100k" if (place / "ml-100k").is_dir() else place
        files = {file.name: file.read_bytes() for file in folder.glob("u.*") if file.is_file()}
    else:
        files = _unzipped(place)
    for name in ("u.data", "u.user", "u.item", "u.genre"):
        if name not in files:
            raise ValueError(
                f"{place}: {name} is missing; expected ml-100k.zip ({MOVIELENS.url}), its folder, "
                "or a folder with ml-100k.inter, ml-100k.user and ml-100k.item"
            )
    return lambda name: BytesIO(files[name])


def _unzipped(file: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if Path(name).name.startswith("u.")]
            return {Path(name).name: archive.read(name) for name in names}
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{file} is no .zip archive, or a broken one: fetch it again from {MOVIELENS.url}"
        ) from error


def _columns(content: BytesIO, names: list[str], sep: str = "|") -> pd.DataFrame:
    """A file without a header, every cell as it is written; latin-1, as its README says."""
    return pd.read_csv(content, sep=sep, names=names, dtype=str, encoding="latin-1")


def _films(open_file: Callable[[str], BytesIO]) -> pd.DataFrame:
    """Number, title, year and genres of each film."""
    told = ["item_id", "movie_title", "release_date", "video_release_date", "url"]
    genres = _columns(open_file("u.genre"), ["genre", "number"])["genre"].tolist()
    films = _columns(open_file("u.item"), [*told, *genres])
    listed = [
        "|".join(genre for genre, is_one in zip(genres, row, strict=True) if is_one == "1")
        for row in films[genres].to_numpy()
    ]
    year = films["release_date"].str[-4:]
    return films[["item_id", "movie_title"]].assign(release_year=year, genre=listed)
