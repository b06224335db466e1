"""Inputs that no one should be able to use, and what the message about each has to name."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

# What params.yaml says, and what the message names: the key, the choice or the file.
CONFIGURATIONS = [
    tuple(line.split("  => "))
    for line in """\
model: cnm  => `cnn`
data: digit  => `digits`
backend: theano  => backend
backend: 3  => backend
seed: -1  => seed
seed: 1.5  => seed
seed: many  => seed
seed: 99999999999  => seed
[a, b]  => params.yaml
hello  => params.yaml
model: [mlp  => params.yaml
modle: mlp  => `model`
model: [mlp]  => model
model: 3  => model
set: 3  => set
set: {trainin: {epochs: 3}}  => `training`
model: ../mlp  => model
model: ""  => model
experiment: none_such  => experiment
experiment: [a]  => experiment
set: &a {x: *a}  => params.yaml
{model: mlp, model: cnn}  => params.yaml
{data: csv, path: data/none.csv, set: {data: {target: y}}}  => data/none.csv
data: csv  => data.target
path: 3  => path
path: [a]  => path
path: ""  => path
training: 3  => training
training: [1]  => training
training: {epochs: 0}  => training.epochs
training: {epochs: three}  => training.epochs
training: {epochs: 1.5}  => training.epochs
training: {epochs: true}  => training.epochs
training: {epochs: .nan}  => training.epochs
training: {batch_size: -1}  => training.batch_size
training: {epocs: 3}  => `training.epochs`
set: {training: {patience: -1}}  => training.patience
set: {training: {warmup: 1.0}}  => training.warmup
set: {training: {warmup: .nan}}  => training.warmup
set: {training: {schedule: linear}}  => training.schedule
set: {training: {decay: {factor: 1.0}}}  => training.decay.factor
set: {training: {decay: {epochs: 0}}}  => training.decay.epochs
set: {training: {accumulate: 0}}  => training.accumulate
set: {training: {schedule: plateau, warmup: 0.1, patience: 20}}  => training.warmup
set: {training: {schedule: plateau}}  => training.decay.epochs
set: {training: {clip_norm: 0}}  => training.clip_norm
set: {training: {clip_norm: 1.0}, optimizer: {clipnorm: 2.0}}  => optimizer.clipnorm
set: {optimizer: {gradient_accumulation_steps: 4}}  => training.accumulate
set: {training: {time_limit: 0}}  => training.time_limit
set: {training: {time_limit: .inf}}  => training.time_limit
set: {training: {fine_tune: {epochs: 4}}}  => training.fine_tune
set: {training: {fine_tune: {epochs: 400, layers: 3, learning_rate: 0.1}}}  => training.fine_tune
set: {training: {restore_best_weights: maybe}}  => training.restore_best_weights
set: {training: {min_delta: -1}}  => training.min_delta
set: {training: {min_delta: .nan}}  => training.min_delta
set: {training: {seed: -3}}  => training.seed
set: {training: {resume: 1}}  => training.resume
set: {training: nope}  => training
search: {n_trials: -1}  => search.n_trials
search: {n_trials: 2.5}  => search.n_trials
search: {n_trials: many}  => search.n_trials
set: {search: {window: 0}}  => search.window
set: {search: {workers: 0}}  => search.workers
set: {search: {workers: some}}  => search.workers
set: {search: {workers: 1000}}  => search.workers
set: {search: {objective: accuracy}}  => search.objective
set: {search: {tolerance: -1}}  => search.tolerance
set: {search: {tolerance: .nan}}  => search.tolerance
set: {search: {patience: 0}}  => search.patience
set: {search: {time_limit: -5}}  => search.time_limit
set: {search: {gpu_hours: 0}}  => search.gpu_hours
set: {search: {lease: 1}}  => search.lease
set: {search: {retries: -1}}  => search.retries
set: {search: {folds: {n_splits: 1}}}  => search.folds.n_splits
set: {search: {folds: 3}}  => search.folds
set: {search: {finalists: {n_seeds: 1}}}  => search.finalists.n_seeds
set: {search: {finalists: {n_finalists: -1}}}  => search.finalists.n_finalists
set: {search: {engine: kubernetes}}  => search.engine
set: {search: {engine: {name: ray, workers: 0}}}  => search.engine.workers
set: {search: {engine: {name: slurm, memory: lots}}}  => search.engine.memory
set: {search: {max_gap: 3}}  => search.max_gap
set: {search: {warm_start: 3}}  => search.warm_start
set: {search: {sampler: {_target_: optuna.version}}}  => search.sampler._target_
set: {search: {sampler: {_target_: optuna.samplers.TPESampeler}}}  => `optuna.samplers.TPESampler`
set: {search: {sampler: {_target_: os.system}}}  => search.sampler._target_
set: {search: {sampler: {_target_: optuna.samplers}}}  => search.sampler._target_
set: {search: {sampler: {_target_: ""}}}  => search.sampler._target_
set: {search: {sampler: {_target_: 3}}}  => search.sampler._target_
set: {search: {sampler: {n_startup_trials: many}}}  => search.sampler.n_startup_trials
set: {search: {sampler: {seed: 3}}}  => search.sampler.seed
set: {search: nope}  => search
set: {pruner: {_target_: optuna.version}}  => pruner._target_
set: {pruner: {_target_: optuna.pruners.NoPruner}}  => `optuna.pruners.NopPruner`
set: {pruner: {n_startup_trials: few}}  => pruner.n_startup_trials
set: {pruner: none_such}  => pruner
set: {search: {objective: pareto}}  => pruner
set: {search: {space: {model.depth: "interval(5, 1)"}}}  => search.space.model.depth
set: {search: {space: {model.depth: "interval(1)"}}}  => search.space.model.depth
set: {search: {space: {model.depth: "choice()"}}}  => search.space.model.depth
set: {search: {space: {model.depth: "int(interval(1.5, 1.7))"}}}  => search.space.model.depth
set: {search: {space: {model.dpth: "int(interval(1, 3))"}}}  => `model.depth`
set: {search: {space: {seed: "int(interval(1, 3))"}}}  => search.space.seed
set: {search: {space: {optimizer.learning_rate: "tag(log, interval(0, 1))"}}}  => learning_rate
set: {search: {space: {model.depth: "interval(a, b)"}}}  => search.space.model.depth
set: {search: {space: {model.depth: {low: 1}}}}  => search.space.model.depth
set: {search: {space: {model.depth: {choice: []}}}}  => search.space.model.depth
set: {search: {space: {model.depth: 3}}}  => search.space.model.depth
set: {search: {space: {model.depth: "int(interval(7, 9))"}}}  => search.space.model.depth
set: {search: {space: {model.dropout: "interval(0, 2)"}}}  => search.space.model.dropout
set: {search: {space: 3}}  => search.space
set: {model: {units: -3}}  => model.units
set: {model: {units: .nan}}  => model.units
set: {model: {depth: x}}  => model.depth
set: {model: {unit: 3}}  => `units`
set: {model: {dropout: 1.0}}  => model.dropout
set: {model: {_target_: truefit.models.mlp.mpl}}  => `truefit.models.mlp.mlp`
set: {model: {_target_: os.system}}  => model._target_
set: {model: {_target_: truefit.models}}  => model._target_
set: {model: {_target_: truefit.models.mlp.__doc__}}  => model._target_
set: {model: {input_shape: [3]}}  => model.input_shape
set: {optimizer: {learning_rate: fast}}  => optimizer.learning_rate
set: {optimizer: {learning_rate: 0}}  => optimizer.learning_rate
set: {optimizer: {learning_rate: -1}}  => optimizer.learning_rate
set: {optimizer: {learning_rate: .inf}}  => optimizer.learning_rate
set: {optimizer: adamm}  => `adam
set: {optimizer: {_target_: keras.optimizers.Adamm}}  => `keras.optimizers.Adam
set: {optimizer: {_target_: keras.layers.Dense}}  => optimizer._target_
set: {optimizer: {lerning_rate: 0.1}}  => `learning_rate`
set: {data: {split: {validation: 0.6, test: 0.6}}}  => data.split
set: {data: {split: {validation: 0}}}  => data.split.validation
set: {data: {split: {test: 1.5}}}  => data.split.test
set: {data: {split: {validation: x}}}  => data.split.validation
set: {data: {split: {stratify: perhaps}}}  => data.split.stratify
set: {data: {split: {group: a, time: b}}}  => data.split
set: {data: {split: {group: a, duplicates: together}}}  => data.split.duplicates
set: {data: {split: {validation: [a], test: [b]}}}  => data.split
set: {data: {split: 3}}  => data.split
set: {data: {normalize: 3}}  => data.normalize
set: {data: {_target_: truefit.datasets.frames.cvs}}  => `truefit.datasets.frames.csv`
set: {data: {seed: 3}}  => data.seed
set: {task: nope}  => task
set: {task: {target: words}}  => task.target
set: {regularization: {l2: -1}}  => regularization.l2
set: {regularization: {label_smoothing: 1}}  => regularization.label_smoothing
set: {regularization: {l3: 1}}  => regularization.l3
set: {augmentation: blur}  => augmentation
set: {augmentation: {_target_: truefit.augmentation.blur}}  => augmentation._target_
set: {runtime: {device: tpu}}  => runtime.device
set: {runtime: {threads: 0}}  => runtime.threads
set: {runtime: {memory_limit: 0}}  => runtime.memory_limit
set: {runtime: {deterministic: 2}}  => runtime.deterministic
set: {evaluation: {n_resamples: 10}}  => evaluation.n_resamples
set: {evaluation: {confidence_level: 1}}  => evaluation.confidence_level
set: {evaluation: {confidence_level: .nan}}  => evaluation.confidence_level
set: {evaluation: {yardsticks: [nope]}}  => evaluation.yardsticks
set: {evaluation: {repeats: {n_seeds: -1}}}  => evaluation.repeats.n_seeds
set: {evaluation: {repeats: {shares: []}}}  => evaluation.repeats.shares
set: {evaluation: {repeats: {shares: [2]}}}  => evaluation.repeats.shares
set: {promotion: {verdicts: []}}  => promotion.verdicts
set: {promotion: {verdicts: [splendid]}}  => promotion.verdicts
set: {promotion: {model: ""}}  => promotion.model
set: {mlflow_experiment: ""}  => mlflow_experiment
set: {mlflow_experiment: 3}  => mlflow_experiment
set: {packages: truefit}  => packages
set: {packages: [3]}  => packages
set: {mlflow_experiment: "${oc.env:HOME}"}  => mlflow_experiment
set: {mlflow_experiment: "${nothing.there}"}  => nothing.there
set: {mlflow_experiment: "${"}  => mlflow_experiment
set: {mlflow_experiment: "${mlflow_experiment}"}  => Recursive
set: {"": 3}  => there is no such key
set: {model: {"": 3}}  => model
set: {model: {a.b: 3}}  => model.a.b""".splitlines()
]


def npy(shape: tuple[int, ...]) -> bytes:
    """The head of an .npy file of float64 that claims a shape, and has no values."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape!r}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def npz(**arrays: Any) -> bytes:
    kept = io.BytesIO()
    np.savez(kept, **arrays)
    return kept.getvalue()


def zipped(**members: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as stored:
        for name, content in members.items():
            stored.writestr(f"{name}.npy", content)
    return kept.getvalue()


OBJECTS = np.array([{}] * 40, dtype=object)
# Rows to predict, by the name of their file; `None` is a folder, and "none" is not there.
ROWS: dict[str, bytes | str | None] = {
    "none.csv": "none",
    "folder": None,
    "folder.csv": None,
    "folder.npy": None,
    "empty.csv": b"",
    "blank.csv": b"\n\n",
    "ragged.csv": b"a,b\n1,2\n1,2,3,4\n",
    "latin.csv": "a,b\nh\xe4,1\n".encode("latin-1"),
    "utf16.csv": "a,b\n1,2\n".encode("utf-16"),
    "bytes.csv": bytes(range(256)) * 4,
    "empty.txt": b"",
    "junk.parquet": b"PAR1junkPAR1",
    "empty.parquet": b"",
    "junk.npy": b"\x93NUMPY junk",
    "empty.npy": b"",
    "text.npy": b"hello",
    "claims.npy": npy((1_500_000_000_000,)),
    "negative.npy": npy((-1, 3)),
    "cut.npy": npy((10, 8, 8, 1)) + b"\0" * 100,
    "junk.npz": b"PK junk",
    "empty.npz": b"",
    "two.npz": npz(a=np.zeros(3), b=np.zeros(3)),
    "nothing.npz": npz(),
    "claims.npz": zipped(x=npy((2**40,))),
    "objects.npz": npz(x=OBJECTS),
    "junk.png": b"\x89PNG junk",
    "rows": b"1,2",
    "rows.xlsx": b"PK",
    "rows.json": b"[]",
}

TABLE = b"a,b,y\n" + "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(40)).encode()
X, Y = np.random.default_rng(0).standard_normal((40, 5)), np.arange(40) % 2
Files = dict[str, bytes | None]


def table(old: str, new: str) -> Files:
    return {"t.csv": TABLE.replace(old.encode(), new.encode())}


def arrays(**given: Any) -> Files:
    return {"t.npz": npz(**given)}


# A source of data, what is set of it, its files, and what the message names.
SOURCES: dict[str, tuple[str, dict[str, Any], Files, str]] = {
    "csv: nothing": ("csv", {"target": "y"}, {"t.csv": b""}, "t.csv"),
    "csv: blank lines": ("csv", {"target": "y"}, {"t.csv": b"\n\n"}, "t.csv"),
    "csv: a header": ("csv", {"target": "y"}, {"t.csv": b"a,b,y\n"}, "t.csv"),
    "csv: one row": ("csv", {"target": "y"}, {"t.csv": b"a,b,y\n1,2,a\n"}, "y"),
    "csv: few rows": ("csv", {"target": "y"}, {"t.csv": b"a,b,y\n1,2,a\n1,3,b\n2,2,a\n"}, "y"),
    "csv: a longer row": ("csv", {"target": "y"}, {"t.csv": TABLE + b"1,2,3,4,5\n"}, "line 42"),
    "csv: Latin-1": ("csv", {"target": "y"}, {"t.csv": TABLE + b"1,2,\xe4\n"}, "line 42"),
    "csv: UTF-16": ("csv", {"target": "y"}, {"t.csv": TABLE.decode().encode("utf-16")}, "UTF-8"),
    "csv: bytes": ("csv", {"target": "y"}, {"t.csv": bytes(range(256)) * 8}, "t.csv"),
    "csv: no target": ("csv", {"target": "z"}, {"t.csv": TABLE}, "'z'"),
    "csv: one class": ("csv", {"target": "y"}, table("b\n", "a\n"), "one class only"),
    "csv: targets missing": ("csv", {"target": "y"}, table("b\n", "\n"), "20 of 40"),
    "csv: no feature": ("csv", {"target": "y"}, {"t.csv": b"y\n" + b"a\nb\n" * 20}, "only column"),
    "csv: constant": ("csv", {"target": "y"}, {"t.csv": b"a,y\n" + b"1,a\n1,b\n" * 20}, "column"),
    "csv: all left out": (
        "csv", {"target": "y", "types": {"a": "drop", "b": "drop"}}, {"t.csv": TABLE}, "column",
    ),
    "csv: no such type": ("csv", {"target": "y", "types": {"q": "drop"}}, {"t.csv": TABLE}, "'q'"),
    "csv: type": ("csv", {"target": "y", "types": {"a": "words"}}, {"t.csv": TABLE}, "data.types"),
    "csv: group": ("csv", {"target": "y", "split": {"group": "q"}}, {"t.csv": TABLE}, "group"),
    "csv: time": ("csv", {"target": "y", "split": {"time": "q"}}, {"t.csv": TABLE}, "split.time"),
    "csv: encoding": ("csv", {"target": "y", "encoding": "klingon"}, {"t.csv": TABLE}, "klingon"),
    "csv: separator": ("csv", {"target": "y", "sep": "|"}, {"t.csv": TABLE}, "'y'"),
    "csv: labels": ("csv", {"target": ["a", "y"]}, {"t.csv": TABLE}, "'a'"),
    "csv: no label": ("csv", {"target": []}, {"t.csv": TABLE}, "data.target"),
    "csv: no header": ("csv", {"target": "y", "header": False}, {"t.csv": TABLE}, "'y'"),
    "csv: decimal": ("csv", {"target": "y", "decimal": "xx"}, {"t.csv": TABLE}, "data.decimal"),
    "csv: two files": ("csv", {"target": "y"}, {"a.csv": TABLE, "b.csv": TABLE}, "a.csv, b.csv"),
    "csv: no file": ("csv", {"target": "y"}, {"x/a.txt": TABLE}, "data.path"),
    "parquet: junk": ("parquet", {"target": "y"}, {"t.parquet": b"PAR1junkPAR1"}, "t.parquet"),
    "parquet: nothing": ("parquet", {"target": "y"}, {"t.parquet": b""}, "t.parquet"),
    "parquet: a CSV": ("parquet", {"target": "y"}, {"t.parquet": TABLE}, "t.parquet"),
    "npz: nothing": ("npz", {}, {"t.npz": b""}, "t.npz"),
    "npz: junk": ("npz", {}, {"t.npz": b"PK"}, "t.npz"),
    "npz: a CSV": ("npz", {}, {"t.csv": TABLE}, "t.csv"),
    "npz: other names": ("npz", {}, arrays(z=X), "received z"),
    "npz: no target": ("npz", {}, arrays(x=X), "no target"),
    "npz: lengths": ("npz", {}, arrays(x=X, y=Y[:30]), "(30,)"),
    "npz: words": ("npz", {}, arrays(x=np.full((40, 5), "a"), y=Y), "x must hold numbers"),
    "npz: complex": ("npz", {}, arrays(x=X * 1j, y=Y), "x must hold numbers"),
    "npz: NaN": ("npz", {}, arrays(x=X * np.nan, y=Y), "NaN"),
    "npz: no rows": ("npz", {}, arrays(x=X[:0], y=Y[:0]), "no rows"),
    "npz: two rows": ("npz", {}, arrays(x=X[:2], y=Y[:2]), "2 rows"),
    "npz: one class": ("npz", {}, arrays(x=X, y=Y * 0), "one class only"),
    "npz: objects": ("npz", {}, arrays(x=X, y=OBJECTS), "t.npz"),
    "npz: single numbers": ("npz", {}, arrays(x=np.float64(3), y=np.float64(3)), "t.npz"),
    "npz: targets missing": ("npz", {}, arrays(x=X, y=np.where(Y, np.nan, 1.0)), "20 of 40"),
    "npz: half a split": ("npz", {}, arrays(x_train=X, y_train=Y), "x_test"),
    "npz: a target of three axes": ("npz", {}, arrays(x=X, y=np.zeros((40, 2, 2))), "(40, 2, 2)"),
    "npz: 8 TiB": ("npz", {}, {"t.npz": zipped(x=npy((2**40,)), y=npy((2**40,)))}, "t.npz"),
    "npz: 8 TiB to map": ("npz", {}, {"x.npy": npy((2**40,)), "y.npy": npy((2**40,))}, "x.npy"),
    "npz: two files": ("npz", {}, {"a.npz": npz(x=X), "b.npz": npz(x=X)}, "a.npz, b.npz"),
    "images: none": ("image_folder", {}, {"x/a.txt": b"x"}, "no images"),
    "images: junk": ("image_folder", {}, {"x/a.png": b"junk", "y/b.png": b"junk"}, "a.png"),
    "images: no classes": ("image_folder", {}, {"a.png": b"junk", "b.png": b"junk"}, "CLASS"),
    "images: a file": ("image_folder", {}, {"t.csv": TABLE}, "t.csv"),
    "audio: none": ("audio_folder", {}, {"x/a.txt": b"x"}, ".wav"),
    "audio: names": ("audio_folder", {}, {"x/a.wav": b"RIFF", "y/b.wav": b"junk"}, "a.wav"),
    "text: nothing": ("text", {}, {"t.txt": b""}, "t.txt"),
    "text: short": ("text", {}, {"t.txt": b"ab"}, "t.txt"),
    "text: Latin-1": ("text", {}, {"t.txt": b"\xe4" * 5000}, "t.txt"),
    "texts: no column": ("text_csv", {"text": "words", "target": "y"}, {"t.csv": TABLE}, "'words'"),
    "texts: no target": ("text_csv", {"text": "y", "target": "q"}, {"t.csv": TABLE}, "'q'"),
    "ratings: no column": ("ratings", {}, {"t.csv": TABLE}, "t.csv"),
    "ratings: nothing": ("ratings", {}, {"t.csv": b""}, "t.csv"),
}  # fmt: skip

JUNK = "sqlite:///junk.db"  # which the test makes
# What is typed after `truefit`, the environment, and what the message names.
COMMANDS: list[tuple[str, dict[str, str], str]] = [
    ("trian", {}, "trian"),
    ("show", {}, "dvc repro"),
    ("show --jsn", {}, "--jsn"),
    ("predict", {}, "{file}"),
    ("predict rows.npy more", {}, "more"),
    ("predict rows.npy --modle x", {}, "--modle"),
    ("predict rows.npy", {}, "model.keras"),
    ("predict rows.npy --output x.txt", {}, "x.txt"),
    ("predict rows.npy --model nope", {}, "'nope'"),
    ("predict rows.npy --model models:/", {}, "'models:/'"),
    ("predict rows.npy --model http://x/y", {}, "'http://x/y'"),
    ("predict rows.npy --model runs:/x", {}, "'runs:/x'"),
    ("verify --tolerance -1", {}, "--tolerance"),
    ("verify --tolerance x", {}, "--tolerance"),
    ("verify --workers 0", {}, "--workers"),
    ("promote a b", {}, "b"),
    ("server", {}, "MLFLOW_BACKEND_STORE_URI"),
    ("server --port x", {}, "--port"),
    ("server --workers 0", {}, "--workers"),
    ("server", {"MLFLOW_BACKEND_STORE_URI": "sqlite:///x.db"}, "sqlite:///x.db"),
    ("server", {"MLFLOW_BACKEND_STORE_URI": "nope"}, "nope"),
    ("kubernetes", {}, "--image"),
    ("kubernetes --image ''", {}, "image"),
    ("kubernetes --image x --workers 0", {}, "--workers"),
    ("kubernetes --image x --cpus nan", {}, "--cpus"),
    ("kubernetes --image x --name 'Not A Name'", {}, "'Not A Name'"),
    ("dashboard --port x", {}, "--port"),
    ("dashboard", {"TRUEFIT_STORAGE": JUNK}, "junk.db.damaged"),
    ("dashboard", {"TRUEFIT_STORAGE": "nope"}, "TRUEFIT_STORAGE"),
    ("dashboard", {"TRUEFIT_STORAGE": "mysql://x/y"}, "TRUEFIT_STORAGE"),
    ("init", {}, "DIR"),
    ("init .", {}, "not empty"),
    ("init rows.npy", {}, "rows.npy"),
    ("init new --package 1x", {}, "'1x'"),
    ("init new --package class", {}, "'class'"),
    ("init new --package numpy", {}, "'numpy'"),
    ("account ada", {}, "MLFLOW_TRACKING_URI"),
    ("account ada --permission ALL", {}, "--permission"),
    ("sync --al", {}, "--all"),
    ("sync", {"MLFLOW_TRACKING_URI": "nope://x"}, "nope://x"),
    ("sync", {"MLFLOW_TRACKING_URI": "http://["}, "http://["),
    ("sync", {"MLFLOW_TRACKING_URI": JUNK}, "junk.db.damaged"),
    ("ui", {"MLFLOW_TRACKING_URI": JUNK}, "junk.db.damaged"),
    ("ui --port x", {}, "--port"),
    ("join", {}, "data/prepared"),
]
