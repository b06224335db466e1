"""The repeat stage: how much of a result is luck of the seed, and what more rows would bring."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import pandas as pd

from truefit.core.endings import State
from truefit.core.files import write_text
from truefit.core.paths import PREPARED, REPEAT, SEARCH, TRAIN
from truefit.core.prepared.folder import read_facts
from truefit.core.resolved import load, override, read_yaml
from truefit.core.run import Run
from truefit.search.doubts import unfit
from truefit.tracking.describe import at_best, describe
from truefit.tracking.tracker import Tracker
from truefit.training.process.child import Ending, Job
from truefit.training.process.pool import Pool, places
from truefit.training.process.trainer import Trainer
from truefit.training.seeds import finalist_seed

if TYPE_CHECKING:
    from truefit.config.schema import Config

Key = tuple[float, int]  # share of the training rows, and number of the seed from 1


@dataclass(frozen=True)
class Row:
    """A training in repeats.csv, in the order of its columns; one that failed has no losses."""

    share: float  # of the training rows
    rows: int
    repeat: int  # number of the seed
    seed: int
    state: State
    train_loss: float | None
    val_loss: float | None
    gap: float | None
    best_epoch: int | None


def repeat() -> None:
    """Train with best.yaml for each seed and share of the training rows; write repeats.csv.

    A training that fails has its state there, and no losses.
    """
    config = load()
    rule = config["evaluation"]["repeats"]
    shares = sorted({float(share) for share in rule["shares"]})
    keys = [(share, n + 1) for share in shares for n in range(rule["n_seeds"])]
    rows = _train(config, keys) if keys else []
    REPEAT.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=[one.name for one in fields(Row)])
    write_text(REPEAT / "repeats.csv", frame.to_csv(index=False, lineterminator="\n"))
    if not keys:
        print("evaluation.repeats.n_seeds is 0: the winner is trained once")


def _train(config: Config, keys: list[Key]) -> list[Row]:
    chosen = override(config, read_yaml(SEARCH / "best.yaml") or {})
    run = Run.read(TRAIN / "run.json").run
    device = config["runtime"]["device"]
    done: dict[Key, Ending] = {}
    runs: dict[Key, str] = {}
    waiting = list(keys)
    with (
        Trainer(config["backend"], device) as trainer,
        Tracker(config["mlflow_experiment"], "repeat") as tracker,
    ):
        gpus = 0 if device == "cpu" else trainer.gpus()
        free = places(config["search"], config["runtime"], gpus)
        pool: Pool[Key] = Pool(trainer, free, config["search"]["retries"], print)
        while len(done) < len(keys):
            while pool.free and waiting:
                key = waiting.pop(0)
                seed = finalist_seed(config["seed"], key[1])
                pool.start(key, Job(chosen, PREPARED, seed, share=key[0]))
                runs[key] = _begin(tracker, key, seed, run)
            for key, _, event in pool.wait():
                if isinstance(event, Ending):
                    if not event.trained:  # in the train stage these parameters have
                        raise unfit(event, f"repeat {key[1]} on {key[0]:.0%} of the rows")
                    done[key] = event
                    _end(tracker, runs[key], key, event)
                else:
                    tracker.epoch(runs[key], event.number, event.logs)
    rows = read_facts(PREPARED).splits["train"].rows
    return [_row(key, done[key], config["seed"], rows) for key in keys]


def _begin(tracker: Tracker, key: Key, seed: int, parent: str) -> str:
    share, number = key
    tags = {"seed": seed, "truefit.share": share, "truefit.repeat": number}
    return tracker.start(
        "repeat",
        f"{share:.0%} seed {number}",
        tags=tags,
        study=parent,
        key=f"repeat/{share}/{number}",
    )


def _end(tracker: Tracker, run: str, key: Key, ending: Ending) -> None:
    verdict = {"truefit.verdict": "diverged"} if ending.state == "diverged" else {}
    text = describe(ending.state, ending.reason, ending.result)
    tracker.log(run, tags={"mlflow.note.content": text, **verdict})
    metrics = at_best(ending.result, ending.history)
    tracker.end(run, ending.state, ending.reason, metrics, has_result=ending.result is not None)
    said = f"{ending.state}: {ending.reason}".partition("\n")[0]
    if ending.counts and ending.result:
        mark = "" if ending.state == "complete" else f" ({said})"
        said = f"val_loss {ending.result.best_val_loss:.4f}, gap {ending.result.gap:+.4f}{mark}"
    print(f"repeat {key[1]} on {key[0]:.0%} of the rows: {said}", flush=True)


def _row(key: Key, ending: Ending, seed: int, rows: int) -> Row:
    (share, number), result = key, ending.result
    return Row(
        share=share,
        rows=max(1, round(share * rows)),
        repeat=number,
        seed=finalist_seed(seed, number),
        state=ending.state,
        train_loss=result.train_loss_at_best if result else None,
        val_loss=result.best_val_loss if result else None,
        gap=result.gap if result else None,
        best_epoch=result.best_epoch if result else None,
    )
