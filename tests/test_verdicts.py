"""The parts of `truefit verify` that need no run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truefit.verify.data import _require_inside
from truefit.verify.numbers import arrays_between, between
from truefit.verify.verdict import Check, CouldNotTryError, decide


@given(
    sizes=st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=5),
    tolerance=st.none() | st.floats(0, 1),
)
def test_the_verdict_is_the_first_beyond(
    sizes: list[float | None], tolerance: float | None
) -> None:
    """The first check that differs by more than is allowed names the verdict."""
    found = [Check(str(n), "x", size) for n, size in enumerate(sizes)]
    allowed = [tolerance is not None and s is not None and s <= tolerance for s in sizes]

    verdict = decide(found, tolerance)

    if all(allowed):
        assert verdict.name == "within tolerance"
    else:
        assert verdict.said == f"diverged at {allowed.index(False)}: x"
    assert decide([Check("all")], tolerance).name == "bit-exact"


@given(st.lists(st.floats(width=32), min_size=1, max_size=8), st.integers(0, 7))
def test_any_number_that_differs_is_found(values: list[float], place: int) -> None:
    """Two arrays, and two numbers, are equal only if they are, NaN to NaN included."""
    old = np.array(values, np.float32)
    new = old.copy()
    assert arrays_between("x", old, new) is None
    new[place % len(new)] = 5.25 if old[place % len(old)] != 5.25 else 1.0

    found = arrays_between("x", old, new)

    assert found is not None
    assert found.first.startswith(f"x[{place % len(new)}]: recorded ")
    assert between("x", float(old[0]), float(old[0])) is None


def test_a_list_of_files_that_leads_out_is_refused(tmp_path: Path) -> None:
    """A remote may hold a folder's list that anybody has written."""
    md5 = "ab" * 16 + ".dir"
    (tmp_path / "files/md5/ab").mkdir(parents=True)
    listed = [{"relpath": "../../planted", "md5": "cd" * 16}]
    (tmp_path / "files/md5/ab" / md5[2:]).write_text(json.dumps(listed))

    with pytest.raises(CouldNotTryError, match="leads out"):
        _require_inside(tmp_path, [md5])
