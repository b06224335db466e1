"""What an account or a shell has configured for libraries decides nothing, or is on record."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import sections
from conftest import ROOT, run

from truefit.core.backend import set_environment
from truefit.core.errors import UserError
from truefit.tracking.provenance import environment
from truefit.tracking.records import Record
from truefit.verify.environment import same_environment

SHOW = """
from truefit.core.backend import import_keras
import_keras()
import keras
print(keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format())
"""
CONFIG = sections.config(search=sections.search(sampler={"_target_": "optuna.samplers.TPESampler"}))


def test_keras_own_file_changes_nothing(tmp_path: Path) -> None:
    """`~/.keras/keras.json` has no part in a result, nor does whoever runs it."""
    other = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(other))

    done = run(
        sys.executable, "-c", SHOW, KERAS_HOME=str(tmp_path), PYTHONPATH=str(ROOT / "src")
    )  # fmt: skip

    assert done.stdout.split() == ["float32", "1e-07", "channels_last"], done.stderr


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("[]", "expected a JSON object, received []"),
        ('{"floatx": "float13"}', '`floatx`: expected "float16" or'),
        ('{"image_data_format": ["x"]}', '`image_data_format`: expected "channels_first" or'),
        ('{"epsilon": 1}', "`epsilon`: expected a fraction, received 1"),
    ],
)
def test_a_file_that_keras_does_not_import_with_is_named(
    said: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`keras.json` that stops the import is one sentence with the way out."""
    (tmp_path / "keras.json").write_text(said)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    with pytest.raises(UserError) as error:
        set_environment("tensorflow", "cpu")

    assert f"{tmp_path}/keras.json: {named}" in str(error.value)
    assert "move it away" in str(error.value)


def test_a_shell_does_not_cut_epochs_or_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """`KERAS_MAX_STEPS_PER_EPOCH` of a debugging session decides nothing here."""
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    monkeypatch.setenv("KERAS_MAX_STEPS_PER_EPOCH", "2")

    set_environment("tensorflow", "cpu")

    assert not {"KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"} & set(os.environ)


def test_a_variable_that_may_change_bits_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was made without oneDNN says so, where it comes out otherwise with it."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    (tmp_path / "environment.json").write_text(json.dumps(environment("cpu").as_json()))
    record = Record("", "", "", "", {}, {}, {}, tmp_path)
    same = same_environment(record, environment("cpu"), CONFIG)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")

    other = same_environment(record, environment("cpu"), CONFIG)

    assert "TF_ENABLE_ONEDNN_OPTS" not in same.note
    assert "{'TF_ENABLE_ONEDNN_OPTS': '0'}, here {}: the last bits may depend on them" in other.note
    assert other.difference == ""
