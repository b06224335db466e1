"""The search stage: the slots of an Optuna study, one training each, and the winner."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from truefit.config import Tree, load, override
from truefit.datasets.prepared import read_facts
from truefit.errors import UserError
from truefit.paths import PREPARED, state_folder, studies_url
from truefit.progress import Board
from truefit.search.outputs import line, short, write_outputs
from truefit.search.slots import Slot, derive_seed, filled, tell
from truefit.search.space import parse_space
from truefit.search.winner import choose
from truefit.signatures import source_file
from truefit.targets import make
from truefit.tracking.runs import Tracker, attempt
from truefit.tracking.store import first_line, redact
from truefit.trainer import Ending, Job, Trainer
from truefit.trees import get

PACKAGE = Path(__file__).parents[1]
AGAIN = ("crashed", "out_of_memory")  # infrastructure: worth another try in the same slot


def search() -> None:
    """Fill the study's slots, then write trials.csv, study.json and best.yaml.

    A study that was interrupted goes on; a longer one reuses its first slots.

    Raises:
        UserError: the configuration cannot be trained, or no trial completed.
    """
    config = load()
    name, keys = study_name(config), sorted(config["search"]["space"])
    if config["search"]["n_trials"] == 0:
        print("search.n_trials is 0: the model is trained as configured")
        write_outputs(name, [], None, keys, None)
        return
    with _lock(name):
        slots, run_id = _fill(config, name)
    winner = choose(slots, config["search"]["tolerance"])
    if winner is None:
        raise UserError(f"none of {len(slots)} trials completed:\n" + _reasons(slots))
    write_outputs(name, slots, winner, keys, run_id)
    print(
        f"winner: slot {winner.slot} of {len(slots)}, val_loss {winner.value:.4f}, "
        f"gap {winner.gap:+.4f}, {short(winner.params)}"
    )


def study_name(config: Tree) -> str:
    """A hash of everything that a trial's result depends on: never of n_trials."""
    sections = ("model", "task", "optimizer", "training", "runtime", "seed", "backend")
    depends = {key: config[key] for key in sections}
    depends["search"] = {key: config["search"][key] for key in ("sampler", "space")}
    facts = read_facts(PREPARED)
    # Not the digest of the whole data set: the search must not depend on the test split.
    depends["rows"] = [facts["splits"][split]["digest"] for split in ("train", "validation")]
    depends["data"] = [facts["statistics"], facts["target"], facts["normalize"]]
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode())
    targets = [config[key]["_target_"] for key in ("model", "task")]
    code = [PACKAGE / "training.py", PACKAGE / "targets.py", *map(source_file, targets)]
    for file in code:
        digest.update(file.read_bytes())
    for package in ("keras", config["backend"], "optuna"):
        digest.update(version(package).encode())
    return f"study-{digest.hexdigest()[:12]}"


@dataclass(frozen=True)
class Sweep:
    """What the slots of one study share while they are filled."""

    config: Tree
    study: optuna.Study
    trainer: Trainer
    tracker: Tracker
    run_id: str
    recorded: set[int]
    board: Board


def _fill(config: Tree, name: str) -> tuple[list[Slot], str]:
    """Fill every open slot; returns all of them, and the id of the study's MLflow run."""
    n_trials = config["search"]["n_trials"]
    with (
        Trainer(config["backend"], config["runtime"]["device"]) as trainer,
        Board(trials=n_trials, epochs=config["training"]["epochs"]) as board,
    ):
        tracker = Tracker.open(config["project"])
        study = _open_study(name)
        run_id, recorded = tracker.study(name, {"seed": config["seed"]})
        sweep = Sweep(config, study, trainer, tracker, run_id, recorded, board)
        slots = filled(study, n_trials)
        if slots:
            board.skipped(len(slots))
            board.say(f"{name}: {len(slots)} of {n_trials} slots are filled already")
        try:
            for number in range(n_trials):
                if number not in slots:
                    slots[number] = _fill_slot(sweep, number, slots)
                    board.finished(line(slots[number], slots, n_trials), slots[number].seconds)
                _record(sweep, slots[number])
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"
            attempt(lambda: tracker.end(run_id, "stopped", reason))
            raise
    _finish_record(sweep, slots)
    return [slots[number] for number in range(n_trials)], run_id


def _fill_slot(sweep: Sweep, number: int, slots: dict[int, Slot]) -> Slot:
    """Suggest, train (again after an infrastructure fault), and tell Optuna."""
    config = sweep.config
    rules = parse_space(config["search"]["space"])
    distributions = {key: rule.distribution() for key, rule in rules.items()}
    if number == 0:  # as configured
        trial, params = None, {key: get(config, key) for key in rules}
    else:
        seed = derive_seed(config["seed"], number)
        sampler = make(config["search"]["sampler"], seed=seed)
        sweep.study.sampler = sampler
        trial = sweep.study.ask(distributions)
        params = trial.params
    ending = _train(sweep, number, override(config, params))
    _stop_if_faulty(number, ending, slots)
    return tell(sweep.study, trial, distributions, number, params, ending)


def _train(sweep: Sweep, number: int, config: Tree) -> Ending:
    for repeat in range(config["search"]["retries"] + 1):
        job = Job(config, PREPARED, derive_seed(config["seed"], number, repeat))
        ending = sweep.trainer.run(job, lambda e: sweep.board.epoch(e["epoch"], e["logs"]))
        if ending.state not in AGAIN:
            break
        sweep.board.say(f"  slot {number}: {ending.state}, {ending.reason}")
    return ending


def _open_study(name: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = studies_url()
    try:
        with FileLock(state_folder() / "studies.lock"):  # two at once would both make the tables
            study = optuna.create_study(
                storage=url, study_name=name, direction="minimize", load_if_exists=True
            )
    except (SQLAlchemyError, StorageInternalError, ImportError, ValueError) as error:
        raise UserError(
            f"the study's storage {redact(url)} cannot be opened: {first_line(error)}\n"
            "Mend TRUEFIT_STORAGE (an SQLAlchemy URL), or unset it to use the project's own file"
        ) from None
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)  # its process was killed
    return study


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


def _stop_if_faulty(number: int, ending: Ending, slots: dict[int, Slot]) -> None:
    """An exception with the configured values, or two alike at the start, is no bad luck.

    The slot is not filled, so that it is tried again when the fault is mended.

    Raises:
        UserError: with the exception and, where it is not a clear message itself, its traceback.
    """
    if ending.state != "error" or number > 2:
        return
    if number == 0:
        raise UserError(f"the configuration cannot be trained: {ending.reason}")
    before = slots[number - 1]
    if before.state == "error" and _first(before.reason) == _first(ending.reason):
        raise UserError(f"the first two suggestions failed alike: {ending.reason}")


def _first(reason: str) -> str:
    return reason.partition("\n")[0]


def _record(sweep: Sweep, slot: Slot) -> None:
    """Send a slot that MLflow does not have; the study has it, whatever MLflow says."""
    if slot.slot in sweep.recorded:
        return
    first = dict(list(slot.params.items())[:3])
    name = f"t{slot.slot:04d} {short(first)}"
    tags = {"truefit.study": sweep.study.study_name, "truefit.slot": slot.slot}
    problem = attempt(lambda: sweep.tracker.trial(sweep.run_id, name, slot, tags))
    if problem is None:
        sweep.recorded.add(slot.slot)
    else:
        sweep.board.say(f"  note: MLflow did not take slot {slot.slot}: {problem}")


def _finish_record(sweep: Sweep, slots: dict[int, Slot]) -> None:
    for number in sorted(slots):
        _record(sweep, slots[number])
    winner = choose(slots.values(), sweep.config["search"]["tolerance"])
    metrics = {**(winner.result if winner else {}), "trials": len(slots)}
    problem = attempt(lambda: sweep.tracker.log(sweep.run_id, metrics=metrics))
    problem = problem or attempt(lambda: sweep.tracker.end(sweep.run_id, "complete"))
    if problem or not set(slots) <= sweep.recorded:
        raise UserError(
            f"MLflow did not take every run ({problem}); the study is kept, and `dvc repro` sends "
            "what is missing without training again"
        )


def _reasons(slots: list[Slot]) -> str:
    return "\n".join(f"  slot {s.slot}: {s.state}: {_first(s.reason)}" for s in slots)
