"""A trained model at work."""

from __future__ import annotations


def __getattr__(name: str) -> object:
    """Give models that were logged before this was a package their loader."""
    if name == "_load_pyfunc":
        from truefit.serving.pyfunc import _load_pyfunc  # noqa: PLC0415 - MLflow alone asks

        return _load_pyfunc
    raise AttributeError(name)
