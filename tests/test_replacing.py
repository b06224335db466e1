"""A file is written whole, or stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from truefit.core.files import replacing


def interrupted(file: Path, *, by_many: bool) -> None:
    """Ctrl-C amid the writing."""
    with replacing(file, by_many=by_many) as temporary:
        temporary.write_text("a part of the n")
        raise KeyboardInterrupt


@pytest.mark.parametrize("by_many", [True, False])
def test_an_error_leaves_what_was_there(tmp_path: Path, by_many: bool) -> None:
    """A file that is not written to its end changes nothing and leaves nothing."""
    file = tmp_path / "folder" / "file.npz"
    with replacing(file, by_many=by_many) as temporary:
        temporary.write_text("old")

    with pytest.raises(KeyboardInterrupt):
        interrupted(file, by_many=by_many)

    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_the_suffix_stays(tmp_path: Path) -> None:
    """Keras writes what the suffix of a path says, so the temporary one has it too."""
    with replacing(tmp_path / "model.keras") as temporary:
        temporary.write_text("")

        assert (temporary.parent, temporary.suffix) == (tmp_path, ".keras")


def test_what_a_killed_process_left_is_overwritten(tmp_path: Path) -> None:
    """A large file whose writer was killed many times leaves one temporary file at most."""
    file = tmp_path / "checkpoint.npz"
    with replacing(file) as temporary:
        left = temporary
        temporary.write_text("new")
    left.write_text("torn")

    with replacing(file) as temporary:
        temporary.write_text("newer")

    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "newer"


def test_writers_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    """Each has a temporary name of its own, and the last to end is what stays."""
    file = tmp_path / "lease.json"
    with replacing(file, by_many=True) as one:
        one.write_text("one")
        with replacing(file, by_many=True) as other:
            other.write_text("other")

        assert file.read_text() == "other"

    assert file.read_text() == "one"
