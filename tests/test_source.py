"""What functions of the user's own return: rows that belong together, or one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from truefit.datasets.source import check_source

N = 20
X = np.random.default_rng(0).random((N, 4)).astype(np.float32)
Y = (X[:, 0] > 0.5).astype(int)
FRAME = pd.DataFrame(X, columns=list("abcd"))
IMAGES = np.zeros((N, 3, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, "must return a dictionary"),
        ((X, Y), "must return a dictionary"),
        ({"x": X, "y": Y[:9]}, "x has 20 rows and y has 9"),
        ({"x": X, "y": 3}, "x has 20 rows and y is 3"),
        ({"x": (row for row in X), "y": Y}, "received generator"),
        ({"x": sparse.csr_matrix(X), "y": Y}, "received csr_matrix"),
        ({"x": [[1.0], [1.0, 2.0]], "y": [0, 1]}, "differ in length"),
        ({"x": [{"a": 1}] * N, "y": Y}, "received list"),
        ({"x": FRAME.sample(frac=1, random_state=0), "y": pd.Series(Y)}, r"y\.loc\[x\.index\]"),
        ({"x": FRAME, "y": pd.Series(Y, index=range(1, N + 1))}, "other names"),
        ({"x": FRAME.assign(e=pd.Series([[1]] * N)), "y": Y}, "'e' holds a list"),
        ({"x": FRAME.assign(e=pd.Series([{"q": 1}] * N)), "y": Y}, "'e' holds a dict"),
        ({"x": FRAME.assign(e=1j), "y": Y}, "'e' holds complex"),
        ({"x": pd.DataFrame(X, columns=list("aabc")), "y": Y}, "'a' occurs twice"),
        ({"x": X, "y": [{"a": 1}] * N}, "y holds a dict"),
        ({"x": X, "y": Y + 0j}, "y holds complex"),
        ({"x": X, "y": Y, "is_valid": Y}, "nothing reads the key 'is_valid'"),
        ({"x": X, "y": Y, "is_test": np.arange(5)}, r"is_test .* received int64 of shape \(5,\)"),
        ({"x": X, "y": Y, "is_test": np.arange(N)}, "row numbers"),
        ({"x": X, "y": Y, "is_test": ["test"] * N}, "True or False"),
        ({"x": X, "y": Y, "keys": {"speaker": [1, 2]}}, r"keys\['speaker'\] has 2"),
        ({"x": X, "y": Y, "keys": Y}, "keys must be a dictionary"),
        ({"x": IMAGES, "y": Y}, r"channels first.*transpose\(0, 2, 3, 1\)"),
        ({"x": IMAGES.tolist(), "y": Y}, "channels first"),
    ],
)
def test_what_does_not_belong_together_is_refused(source: Any, expected: str) -> None:
    """Rows of another order, masks of row numbers and keys that nothing reads change no result."""
    with pytest.raises(ValueError, match=r"mine\.load.*" + expected):
        check_source(source, "mine.load")


@pytest.mark.parametrize(
    "source",
    [
        {"x": X.tolist(), "y": Y.tolist()},
        {"x": FRAME, "y": pd.DataFrame({"y": Y})},
        {"x": X, "y": Y[:, np.newaxis]},
        {"x": FRAME[::-1], "y": pd.Series(Y)[::-1]},
        {"x": FRAME[::-1], "y": Y[::-1]},
        {"x": X, "y": Y, "is_test": (np.arange(N) > 9).astype(int).tolist()},
        {"x": np.zeros((N, 8, 8, 3), np.uint8), "y": Y},
        {"x": np.zeros((N, 3, 8, 3), np.uint8), "y": Y},
    ],
)
def test_what_belongs_together_is_taken(source: dict[str, Any]) -> None:
    """Lists become arrays, a column of a frame the target, 0 and 1 a mask."""
    checked = check_source(source, "mine.load")

    assert checked["x"].shape[0] == N
    assert np.shape(checked["y"]) == (N,)
    assert checked.get("is_test", np.zeros(1, bool)).dtype == bool


def test_numbers_may_name_columns() -> None:
    """`pd.DataFrame(array)` names them 0, 1, 2, ..., which are texts from here on."""
    assert [*check_source({"x": pd.DataFrame(X), "y": Y}, "mine.load")["x"]] == list("0123")


class Lazy:
    """Rows that are read when they are asked for, as a store on disk has them."""

    shape, dtype = (N, 4), "float32"

    def __len__(self) -> int:
        return N

    def __getitem__(self, rows: Any) -> np.ndarray:
        raise AssertionError(f"nobody has asked for {rows}")


def test_rows_that_are_read_later_stay_so() -> None:
    """A set larger than memory is not read whole to look at it."""
    lazy = Lazy()

    assert check_source({"x": lazy, "y": Y}, "mine")["x"] is lazy
