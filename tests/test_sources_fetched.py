from __future__ import annotations

import gc
import hashlib
import io
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from truefit.datasets import downloads
from truefit.datasets.downloads import Remote, cifar10, fetch, mnist, movielens_100k, shakespeare

CONTENT = b"all the world's a stage " * 5000


class Answers(BaseHTTPRequestHandler):
    """Sends CONTENT, or half of it for /short, or 404."""

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)  # type: ignore[attr-defined]
        self.send_response(404 if name == "gone" else 200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if name == "short" else CONTENT)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setenv("TRUEFIT_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
    with warnings.catch_warnings():
        # pooch leaves the connection of an answer that it refuses to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def remote(server: ThreadingHTTPServer, name: str, content: bytes = CONTENT) -> Remote:
    digest = hashlib.sha256(content).hexdigest()
    return Remote(f"http://127.0.0.1:{server.server_port}/{name}", digest)


def test_a_file_is_fetched_once(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """The second time the file is there; one that has changed since is fetched again."""
    wanted = remote(server, "input.txt")
    files = [fetch(wanted), fetch(wanted)]
    once = list(server.asked)  # type: ignore[attr-defined]
    files[0].write_bytes(b"broken")
    fetch(wanted)

    assert once == ["input.txt"]
    assert len(server.asked) == 2  # type: ignore[attr-defined]
    assert files[0].read_bytes() == CONTENT
    assert list((tmp_path / "cache").iterdir()) == [files[0]]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("input.txt", b"other", "does not match"),
        ("gone", CONTENT, "404"),
        ("short", CONTENT, "60000"),
        ("closed", CONTENT, "Connection refused"),
    ],
)
def test_of_a_fetch_that_fails_nothing_stays(
    server: ThreadingHTTPServer, tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    """A wrong hash, half a file and a server that is away: one message, and no file."""
    wanted = remote(server, name, content)
    if name == "closed":
        server.shutdown()
        server.server_close()

    with pytest.raises(ValueError, match=expected) as refused:
        fetch(wanted)

    said = str(refused.value)
    assert all(part in said for part in (wanted.url, "++set.data.path=", str(tmp_path)))
    assert "\n" not in said
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_without_a_path_the_file_is_fetched(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source reads what was fetched as it reads a file of one's own."""
    monkeypatch.setattr(downloads, "SHAKESPEARE", remote(server, "input.txt"))

    windows = shakespeare(length=40)["x"]["text"]

    assert windows[0] == CONTENT[:41].decode()


@pytest.mark.parametrize("source", [mnist, cifar10, movielens_100k, shakespeare])
def test_a_path_that_is_not_there_is_named(source: object, tmp_path: Path) -> None:
    """A local file that is missing is said, with the way to have it fetched."""
    assert callable(source)
    with pytest.raises(ValueError, match=r"there is no .*nowhere; `null` fetches it"):
        source(path=str(tmp_path / "nowhere"))


def test_mnist_is_read_from_its_file_or_folder(tmp_path: Path) -> None:
    """Both give images with a channel and the given test split."""
    x = np.arange(6 * 28 * 28).reshape(6, 28, 28).astype(np.uint8)
    y = np.arange(6)
    np.savez(tmp_path / "mnist.npz", x_train=x[:4], y_train=y[:4], x_test=x[4:], y_test=y[4:])

    sources = [mnist(path=str(place)) for place in (tmp_path, tmp_path / "mnist.npz")]

    for source in sources:
        assert (source["x"][:] == x[..., np.newaxis]).all()
        assert source["is_test"].tolist() == [False] * 4 + [True] * 2
        assert source["target"] == "digit"


def batches(content: bytes, *, leave_out: str = "") -> dict[str, bytes]:
    return {name: content for name in downloads.BATCHES if name != leave_out}


def archive(folder: Path, files: dict[str, bytes], inside: str) -> str:
    with tarfile.open(folder / "c.tar.gz", "w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return str(folder / "c.tar.gz")


PICTURE = np.arange(3 * 32 * 32).reshape(3, 32, 32).astype(np.uint8)
RECORDS = b"".join(bytes([code]) + PICTURE.tobytes() for code in (0, 9))


def test_cifar_is_read_from_archive_and_folder(tmp_path: Path) -> None:
    """Both give images with their channels last, classes by name, the last batch as test split."""
    inside = tmp_path / "cifar-10-batches-bin"
    packed = archive(tmp_path, batches(RECORDS), inside.name)
    inside.mkdir()
    for name, content in batches(RECORDS).items():
        (inside / name).write_bytes(content)

    for place in (packed, str(tmp_path), str(inside)):
        source = cifar10(path=place)
        assert source["x"].shape == (12, 32, 32, 3)
        assert (source["x"][7] == PICTURE.transpose(1, 2, 0)).all()
        assert source["y"][:2].tolist() == ["airplane", "truck"]
        assert source["is_test"].tolist() == [False] * 10 + [True] * 2


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (batches(RECORDS, leave_out="data_batch_3.bin"), "data_batch_3.bin is missing"),
        ({"data_batch_1": b"\x80\x04."}, "not the pickled one"),
        (batches(RECORDS[:-1]), "no whole number of images"),
        (batches(bytes([77]) + PICTURE.tobytes()), "has the class 77"),
        ({}, "broken one"),
    ],
)
def test_another_archive_is_not_cifar(
    tmp_path: Path, files: dict[str, bytes], expected: str
) -> None:
    """What is missing or strange in an archive is said; no pickle is loaded."""
    packed = archive(tmp_path, files, "any")
    if not files:
        Path(packed).write_bytes(b"no archive")

    with pytest.raises(ValueError, match=expected):
        cifar10(path=packed)


MOVIES = {
    "u.data": "1\t2\t5\t10\n2\t1\t1\t20\n2\t2\t3\t30\n",
    "u.user": "1|24|M|writer|85711\n2|53|F|other|01234\n",
    "u.genre": "unknown|0\nWar|1\nSci-Fi|2\n\n",
    "u.item": "1|L\u00e9on (1994)|01-Jan-1994||http://x|0|1|1\n2|Up (1995)|01-Jan-1995||http://x|1|0|0\n",
}
ATOMIC = {
    "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    + MOVIES["u.data"],
    "ml-100k.user": "user_id:token\tage:token\tgender:token\n1\t24\tM\n2\t53\tF\n",
    "ml-100k.item": "item_id:token\tclass:token_seq\n1\tWar Sci-Fi\n2\tWar\n",
}


def test_movielens_is_read_from_archive_and_folders(tmp_path: Path) -> None:
    """The archive, its folder and RecBole's files give the same ratings, times and ids."""
    with zipfile.ZipFile(tmp_path / "ml-100k.zip", "w") as packed:
        for name, content in MOVIES.items():
            packed.writestr(f"ml-100k/{name}", content.encode("latin-1"))
    for folder, files in (("official", MOVIES), ("atomic", ATOMIC)):
        (tmp_path / folder).mkdir()
        for name, content in files.items():
            (tmp_path / folder / name).write_bytes(content.encode("latin-1"))

    sources = [
        movielens_100k(path=str(tmp_path / p)) for p in ("ml-100k.zip", "official", "atomic")
    ]

    for source in sources:
        assert source["x"].to_numpy().tolist() == [["1", "2"], ["2", "1"], ["2", "2"]]
        assert source["y"].tolist() == [5, 1, 3]
        assert source["keys"]["timestamp"].tolist() == [10, 20, 30]
    known = sources[0]["tables"]["item_id"].loc["1"]
    assert (known["genre=War"], known["release_year"]) == (1, 1994)
    assert sources[2]["tables"]["user_id"].loc["2", "age"] == 53


def test_another_archive_is_not_movielens(tmp_path: Path) -> None:
    """What is missing is named, with what was expected."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("ml-100k/u.data", MOVIES["u.data"])

    with pytest.raises(ValueError, match=r"u.user is missing; expected ml-100k.zip"):
        movielens_100k(path=str(tmp_path / "a.zip"))
