"""Every experiment of conf/experiment, run as a user runs it; prints docs/experiments.md's tables.

`python benchmarks/zoo.py quick` takes the data that need no download, each with its search;
`python benchmarks/zoo.py real --data FOLDER` takes real data, trained as configured, from the
files that docs/experiments.md names. Names after the setting run some experiments only. Run it in
a clone: it changes params.yaml.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from experiment import add_choices, run

AS_CONFIGURED = ("search.n_trials=0",)
Figures = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One experiment on one data set: choices of `dvc exp run -S`, and what others reached."""

    data: str
    choices: Figures
    published: str = ""
    rounds: tuple[Figures, ...] = ((),)  # further choices of each; the row has the mean of them
    score: str = ""  # what `published` is of, if not the task's headline
    also: Figures = ()
    look: Callable[[], str] = field(default=lambda: "")


def slope() -> str:
    """What the saved line says of 0 and of 1, in the data's own unit."""
    zero, one = predict(np.array([[0.0], [1.0]], np.float32))[:, 0]
    return f"weight {one - zero:.3f}, bias {zero:.3f}"


def bayes() -> str:
    """The accuracy of the true boundary on the same test rows."""
    from truefit.datasets.generated import bayes_accuracy  # noqa: PLC0415 - it is seldom needed

    rows = np.load("data/prepared/test/x.npy")
    return f"Bayes rate of these rows {bayes_accuracy(rows, 0.75):.3f}"


def predict(rows: np.ndarray) -> np.ndarray:
    """The trained model's predictions for raw rows."""
    import keras  # noqa: PLC0415

    model = keras.saving.load_model("outputs/train/model.keras", compile=False, safe_mode=True)
    predicted: np.ndarray = model.predict(rows, verbose=0)
    return predicted


def seeds(count: int) -> tuple[Figures, ...]:
    """Another split, and other initial weights, each time."""
    return tuple((f"seed={seed}",) for seed in range(count))


QUICK = {
    "linear_regression": [Row("line", (), "2 and 1 made the data", look=slope)],
    "perceptron": [Row("boundary", (), look=bayes)],
    "binary_mlp": [Row("breast_cancer", ())],
    "iris_mlp": [Row("iris", ())],
    "image_mlp": [Row("digits", (), "0.969 (SVC, half for training)")],
    "image_cnn": [Row("digits", ())],
    "image_lstm": [Row("digits", ())],
    "autoencoder": [Row("digits", (), also=("pca_loss",))],
    "gan": [Row("digits", (), also=("classes",))],
    "recommender": [
        Row("low-rank ratings", (), "0.500 is the noise", score="rmse", also=("ndcg_at_10",))
    ],
    "speech": [Row("tones", ())],
    "language_model": [Row("Python's documentation", (), also=("bits",))],
    "text_classifier": [
        Row("grammars", ()),
        Row("grammars, Transformer", ("model=text_transformer",)),
    ],
    "transfer": [Row("digits, random weights", ())],
    "torch_mlp": [Row("digits", ())],
}
MNIST = ("data=npz", "path={data}/mnist.npz")
MORE = "++set.data.split.validation=0.1"  # of 60,000 rows, that is enough to validate on
CIFAR = ("data=npz", "path={data}/cifar10_12k.npz")
PIMA = ("data=csv", "path={data}/pima_diabetes.csv", "++set.data.header=false")
SPOKEN = ("data=audio_folder", "path={data}/spoken_digits")
TAKES = "{group: take, test: [0, 1], validation: [2], stratify: false}"
UNHEARD = "{group: speaker, test: [WHO], validation: 0.2, stratify: false}"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
LARGE = ("++set.model.base=MobileNetV2", "++set.model.size=128")
WEIGHTS = "++set.model.weights={data}/mobilenet_v2_imagenet.weights.h5"
REAL = {
    "binary_mlp": [
        Row(
            "Pima, 10 random splits",
            (*PIMA, "++set.data.target='8'"),
            "0.71-0.77 (k-fold)",
            seeds(10),
        )
    ],
    "iris_mlp": [Row("iris, 20 random splits", (), rounds=seeds(20))],
    "image_mlp": [Row("MNIST", (*MNIST, MORE), "0.95 (k-NN, LeCun et al.)")],
    "image_cnn": [
        Row("MNIST", MNIST, "0.9925 (Keras' example)"),
        Row("CIFAR-10, 10,000 images", (*CIFAR, "++set.model.units=128"), "0.75 (all 50,000)"),
    ],
    "image_lstm": [Row("MNIST", MNIST)],
    "autoencoder": [
        Row("MNIST", MNIST, also=("pca_loss",)),
        Row("MNIST, denoising", (*MNIST, "++set.model.noise=0.5"), also=("pca_loss",)),
    ],
    "gan": [Row("MNIST", (*MNIST, "training.epochs=6"), also=("classes",))],
    "recommender": [
        Row(
            "MovieLens-100k",
            ("data=movielens", "++set.data.path={data}/ml-100k"),
            "0.934 (SVD, 5-fold)",
            score="rmse",
            also=("recall_at_10", "ndcg_at_10", "popular_ndcg_at_10"),
        )
    ],
    "speech": [
        Row(
            "spoken digits, takes 0-1",
            (*SPOKEN, f"++set.data.split={TAKES}"),
            "0.97 (sound-mnist, 3 speakers)",
        ),
        Row(
            "spoken digits, each speaker unheard once",
            SPOKEN,
            rounds=tuple((f"++set.data.split={UNHEARD.replace('WHO', w)}",) for w in SPEAKERS),
        ),
    ],
    "language_model": [
        Row(
            "tiny Shakespeare",
            ("data=text", "path={data}/tinyshakespeare.txt"),
            "1.88 (nanoGPT, small on a CPU), 1.47 (on a GPU)",
            also=("bits",),
        ),
        Row(
            "tiny Shakespeare, Transformer",
            ("data=text", "path={data}/tinyshakespeare.txt", "model=char_transformer"),
            also=("bits",),
        ),
    ],
    "transfer": [
        Row("CIFAR-10, 10,000 images", (*CIFAR, *LARGE, WEIGHTS)),
        Row("the same, random weights", (*CIFAR, *LARGE), "0.1 is chance"),
    ],
    "torch_mlp": [Row("MNIST", (*MNIST, MORE), "0.95 (k-NN, LeCun et al.)")],
}


def measure(experiment: str, row: Row, folder: str, fixed: Figures) -> tuple[list[Any], float]:
    """The metrics of each round, and the seconds of all of them."""
    started, found = time.monotonic(), []
    for further in row.rounds:
        choices = [f"experiment={experiment}", *row.choices, *further, *fixed]
        run([choice.replace("{data}", folder) for choice in choices], force=True)
        found.append(json.loads(Path("outputs/evaluate/metrics.json").read_text()))
    return found, time.monotonic() - started


def line(experiment: str, row: Row, found: list[Any], seconds: float) -> str:
    """One line of Markdown."""
    first = found[0]
    score, test = row.score or first["headline"], first["test"]
    if len(found) > 1:
        values = [metrics["test"][score] for metrics in found]
        spread = statistics.stdev(values)
        shown = f"{score} {statistics.mean(values):.3f} (deviation {spread:.3f})"
    else:
        interval = f"[{test[f'{score}_low']:.3f}, {test[f'{score}_high']:.3f}]"
        shown = f"{score} {test[score]:.3f} {interval}"
    more = [f"{name} {test[name]:.3f}" for name in row.also]
    if score == "frechet":
        more.append(f"noise {first['baseline']:.0f}")
    more.append(row.look())
    extra = "".join(f"; {text}" for text in more if text)
    gap = statistics.mean(metrics["gap"] for metrics in found)
    return (
        f"| {experiment} | {row.data} | {shown}{extra} | {gap:+.3f} | {first['verdict']} "
        f"| {seconds:.0f} | {row.published} |"
    )


def main() -> None:
    """Print one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting", choices=["quick", "real"])
    parser.add_argument("experiments", nargs="*", help="some of them; all if none is named")
    parser.add_argument("--data", default="data/raw", help="the folder of the real data")
    add_choices(parser)
    arguments = parser.parse_intermixed_args()  # names may stand after --data
    fixed = (*(AS_CONFIGURED if arguments.setting == "real" else ()), *arguments.further)
    rows = QUICK if arguments.setting == "quick" else REAL
    print(
        "| experiment | data | test score [95 % interval] | gap | verdict | seconds | published |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for experiment in arguments.experiments or rows:
        for row in rows[experiment]:
            found, seconds = measure(experiment, row, arguments.data, fixed)
            print(line(experiment, row, found, seconds), flush=True)


if __name__ == "__main__":
    main()
