"""The search stage: slots of an Optuna study, one training each, and the winner."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from hydra.utils import instantiate

from truefit.config import Tree, dump, load, override
from truefit.datasets.prepared import read_facts
from truefit.errors import UserError
from truefit.files import write_json, write_text, write_with
from truefit.paths import PREPARED, SEARCH, state_folder, studies_url
from truefit.progress import Board
from truefit.schema import get
from truefit.search.space import Range, parse_space
from truefit.search.winner import RULE, choose
from truefit.tracking.runs import Tracker, attempt
from truefit.trainer import Ending, Job, Trainer

CODE = Path(__file__).parents[1]  # the package; what a trial's result depends on is hashed
COLUMNS = ["slot", "state", "reason", "value", "gap", "best_epoch", "seconds"]
AGAIN = ("crashed", "out_of_memory")  # infrastructure: worth another try in the same slot


def search() -> None:
    """Fill the study's slots, then write trials.csv, study.json and best.yaml.

    A study that was interrupted goes on; a longer one reuses its first slots.

    Raises:
        UserError: the configuration cannot be trained, or no trial completed.
    """
    config = load()
    name = study_name(config)
    if config["search"]["n_trials"] == 0:
        print("n_trials: 0 - the model is trained as configured")
        _write(name, [], None, {}, run_id=None)
        return
    space = parse_space(config["search"]["space"])
    with _lock(name):
        slots, run_id = _fill(config, name, space)
    winner = choose(slots, config["search"]["tolerance"])
    if winner is None:
        raise UserError(f"none of {len(slots)} trials completed:\n" + _reasons(slots))
    _write(name, slots, winner, space, run_id=run_id)
    print(
        f"winner: slot {winner['slot']} of {len(slots)}, val_loss {winner['value']:.4f}, "
        f"gap {winner['gap']:.4f}, {_say(winner['params'])}"
    )


def study_name(config: Tree) -> str:
    """A hash of everything that a trial's result depends on: never of n_trials."""
    searched = {k: v for k, v in config["search"].items() if k in ("sampler", "space")}
    sections = ("model", "task", "optimizer", "training", "runtime", "seed", "backend")
    depends = {key: config[key] for key in sections} | {"search": searched}
    facts = read_facts(PREPARED)
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode())
    # Not the digest of the whole data set: the search must not depend on the test split.
    for split in ("train", "validation"):
        digest.update(facts["splits"][split]["digest"].encode())
    digest.update(json.dumps([facts["statistics"], facts["target"]]).encode())
    for file in sorted([CODE / "training.py", CODE / "tasks.py", *CODE.glob("models/*.py")]):
        digest.update(file.read_bytes())
    return f"study-{digest.hexdigest()[:12]}"


def derive_seed(seed: int, slot: int, repeat: int = 0) -> int:
    """The seed of one training: the same for the same (seed, slot, repeat) on every machine."""
    text = f"{seed}/{slot}/{repeat}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def _fill(config: Tree, name: str, space: dict[str, Range]) -> tuple[list[Tree], str]:
    """Run every open slot; returns all of them, and the id of the study's MLflow run."""
    n_trials, epochs = config["search"]["n_trials"], config["training"]["epochs"]
    with (
        Trainer(config["backend"], config["runtime"]["device"]) as trainer,
        Board(trials=n_trials, epochs=epochs) as board,
    ):
        tracker = Tracker.open(config["project"])
        study = _open_study(name)
        run_id, recorded = tracker.study(name, name, {"seed": config["seed"]})
        slots = _finished(study, n_trials)
        if slots:
            board.skipped(len(slots))
            board.say(f"{name}: {len(slots)} of {n_trials} slots are done already")
        try:
            for slot in range(n_trials):
                if slot not in slots:
                    slots[slot] = _run_slot(config, study, space, slot, trainer, board)
                    board.finished(_line(slots[slot], slots, n_trials), slots[slot]["seconds"])
                    _stop_if_faulty(slots[slot], slots)
                if slot not in recorded:
                    _record(tracker, run_id, name, slots[slot], recorded, board)
        except BaseException:
            attempt(lambda: tracker.end(run_id, "stopped", f"{type(error).__name__}: {error}"))
            raise
    ordered = [slots[slot] for slot in range(n_trials)]
    _finish_record(tracker, run_id, name, ordered, recorded, board, config)
    return ordered, run_id


def _run_slot(
    config: Tree,
    study: optuna.Study,
    space: dict[str, Range],
    slot: int,
    trainer: Trainer,
    board: Board,
) -> Tree:
    """Suggest, train (again after an infrastructure fault), and tell Optuna; returns the slot."""
    distributions = {key: rule.distribution() for key, rule in space.items()}
    seed = derive_seed(config["seed"], slot)
    if slot == 0:  # as configured: told afterwards, so nothing is left RUNNING
        params, trial = {key: get(config, key) for key in space}, None
    else:
        study.sampler = instantiate(config["search"]["sampler"], seed=seed, _convert_="all")
        trial = study.ask(distributions)
        params = trial.params
    for repeat in range(config["search"]["retries"] + 1):
        job = Job(override(config, params), PREPARED, derive_seed(config["seed"], slot, repeat))
        ending = trainer.run(job, lambda event: board.epoch(event["epoch"], event["logs"]))
        if ending.state not in AGAIN:
            break
        board.say(f"  slot {slot}: {ending.state}, {ending.reason}")
    return _tell(study, trial, slot, params, distributions, ending)


def _tell(
    study: optuna.Study,
    trial: optuna.Trial | None,
    slot: int,
    params: Tree,
    distributions: dict[str, Any],
    ending: Ending,
) -> Tree:
    values = {
        "slot": slot,
        "state": ending.state,
        "reason": ending.reason,
        "params": params,
        "value": ending.result.get("best_val_loss"),
        "gap": ending.result.get("gap"),
        "best_epoch": ending.result.get("best_epoch"),
        "parameters": ending.result.get("parameters"),
        "seconds": ending.seconds,
        "result": ending.result,
        "history": ending.history,
    }
    state = optuna.trial.TrialState.COMPLETE if ending.result else optuna.trial.TrialState.FAIL
    if trial is None:
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=values["value"],
                params=params,
                distributions=distributions,
                user_attrs={"slot": values},
            )
        )
    else:
        trial.set_user_attr("slot", values)
        study.tell(trial, values["value"], state=state)
    return values


def _open_study(name: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with FileLock(state_folder() / "studies.lock"):  # two at once would both make the tables
        study = optuna.create_study(
            storage=studies_url(), study_name=name, direction="minimize", load_if_exists=True
        )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # its process was killed
    return study


def _finished(study: optuna.Study, n_trials: int) -> dict[int, Tree]:
    """The slots that ended, by number; a killed trial has no slot and is run again."""
    ended = [
        t.user_attrs["slot"] for t in study.get_trials(deepcopy=False) if "slot" in t.user_attrs
    ]
    return {slot["slot"]: slot for slot in ended if slot["slot"] < n_trials}


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """Held by the process that works on a study; a second one waits and says so."""
    lock = FileLock(state_folder() / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{name}: another process is searching it; waiting for it to end", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _stop_if_faulty(slot: Tree, slots: dict[int, Tree]) -> None:
    """An exception with the configured values, or two alike at the start, is no bad luck.

    Raises:
        UserError: with the exception and, where it is not a clear message itself, its traceback.
    """
    if slot["state"] != "error" or slot["slot"] > 1:
        return
    if slot["slot"] == 0:
        raise UserError(f"the configuration cannot be trained as it is: {slot['reason']}")
    if slots[0]["reason"].splitlines()[0] == slot["reason"].splitlines()[0]:
        raise UserError(f"the first trials failed alike: {slot['reason']}")


def _record(
    tracker: Tracker, parent: str, study: str, slot: Tree, recorded: set[int], board: Board
) -> None:
    tags = {"truefit.study": study, "truefit.slot": slot["slot"]}
    name = f"t{slot['slot']:04d} {_say(dict(list(slot['params'].items())[:3]))}"
    problem = attempt(lambda: tracker.trial(parent, name, slot, slot["params"], tags))
    if problem is None:
        recorded.add(slot["slot"])
    else:
        board.say(f"  note: MLflow did not take slot {slot['slot']} ({problem}); it is sent again")


def _finish_record(
    tracker: Tracker,
    run_id: str,
    study: str,
    slots: list[Tree],
    recorded: set[int],
    board: Board,
    config: Tree,
) -> None:
    for slot in slots:
        if slot["slot"] not in recorded:
            _record(tracker, run_id, study, slot, recorded, board)
    winner = choose(slots, config["search"]["tolerance"]) or {"result": {}}
    metrics = {**winner["result"], "trials": len(slots)}
    problem = attempt(lambda: tracker.log(run_id, metrics=metrics))
    problem = problem or attempt(lambda: tracker.end(run_id, "complete"))
    if problem or len(recorded) < len(slots):
        raise UserError(
            f"MLflow did not take every run ({problem}); the study is kept, and `dvc repro` sends "
            "what is missing without training again"
        )


def _write(
    name: str, slots: list[Tree], winner: Tree | None, space: Tree, *, run_id: str | None
) -> None:
    counts: dict[str, int] = {}
    for slot in slots:
        counts[slot["state"]] = counts.get(slot["state"], 0) + 1
    keys = ("slot", "value", "gap", "params")
    summary = winner and {key: winner[key] for key in keys}
    _write_trials(slots, list(space))
    write_json(
        SEARCH / "study.json",
        {"study": name, "counts": counts, "run_id": run_id, "winner": summary, "rule": RULE},
    )
    write_text(SEARCH / "best.yaml", dump(winner["params"] if winner else {}))


def _write_trials(slots: list[Tree], keys: list[str]) -> None:
    header = [*COLUMNS, *(f"params.{key}" for key in keys)]
    rows = [
        [
            *(_cell(slot[column]) for column in COLUMNS[:-1]),
            f"{slot['seconds']:.2f}",
            *(_cell(slot["params"].get(key)) for key in keys),
        ]
        for slot in slots
    ]

    def write(file: Any) -> None:
        import io  # noqa: PLC0415

        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        text.flush()
        text.detach()

    write_with(SEARCH / "trials.csv", write)


def _cell(value: object) -> object:
    return value.splitlines()[0] if isinstance(value, str) and value else value


def _line(slot: Tree, slots: dict[int, Tree], n_trials: int) -> str:
    number = f"trial {slot['slot'] + 1:>{len(str(n_trials))}}/{n_trials}"
    if slot["state"] != "complete":
        return f"{number}  {slot['state']}: {slot['reason'].splitlines()[0][:100]}"
    best = min(s["value"] for s in slots.values() if s["state"] == "complete")
    return (
        f"{number}  val_loss {slot['value']:.4f}  gap {slot['gap']:+.4f}  best {best:.4f}  "
        f"{_say(slot['params'])}"
    )


def _reasons(slots: list[Tree]) -> str:
    return "\n".join(
        f"  slot {s['slot']}: {s['state']}: {s['reason'].splitlines()[0]}" for s in slots
    )


def _say(params: Tree) -> str:
    """`learning_rate=4.0e-03 depth=2`: the last part of each key, numbers short."""
    return " ".join(
        f"{key.rpartition('.')[2]}={value:.2g}"
        if isinstance(value, float)
        else f"{key.rpartition('.')[2]}={value}"
        for key, value in params.items()
    )
