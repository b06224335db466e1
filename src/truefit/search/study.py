"""The search stage: a study's slots, its finalists, and the winner."""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from truefit.config import Tree, load, override
from truefit.datasets.prepared import read_facts
from truefit.errors import UserError
from truefit.folds import assign
from truefit.inputs import Inputs
from truefit.paths import PREPARED
from truefit.search import finalists
from truefit.search.board import Board
from truefit.search.conclusion import conclude, configured, fold_counts, front, summarise
from truefit.search.figures import draw_study, importances
from truefit.search.finalists import Contest, Finalist
from truefit.search.identity import changes, identity, study_name
from truefit.search.loop import Loop, first_line
from truefit.search.outputs import trials_csv, write_outputs
from truefit.search.pool import Pool, places
from truefit.search.recorder import Recorder
from truefit.search.samplers import is_stateless, make_pruner, samplers
from truefit.search.slots import Slot
from truefit.search.space import SMOOTHING, Space, configured_params, no_classes, parse_space
from truefit.search.storage import Storage, Study
from truefit.search.warm import warm_starts
from truefit.search.window import Window
from truefit.search.winner import Candidate, candidates, choose, rank
from truefit.tasks import SMOOTHABLE
from truefit.tracking import provenance
from truefit.tracking.describe import at_best
from truefit.tracking.tracker import Tracker
from truefit.trainer import Trainer
from truefit.ui import server_address, show_links


def search() -> None:
    """Fill the study's slots, train the finalists, and write trials.csv, study.json, best.yaml.

    A study that was interrupted goes on; a longer one reuses its first slots.

    Raises:
        UserError: the configuration cannot be trained, or no trial completed.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    config = load()
    if config["search"]["n_trials"] == 0:
        print("search.n_trials is 0: the model is trained as configured")
        write_outputs({"study": None, "run_id": None, "winner": None}, [], {}, [])
        return
    folds = _folds(config)
    parts = identity(config, folds)
    name = study_name(parts)
    _try_out(config)
    with (
        Trainer(config["backend"], config["runtime"]["device"]) as trainer,
        Tracker(config["project"], "search", _say) as tracker,
    ):
        storage = Storage.open(_say)
        with storage.lock(name):
            _search(config, name, parts, folds, storage, trainer, tracker)


def _folds(config: Tree) -> np.ndarray | None:
    """Which rows are held out together, where trials are judged by folds.

    Raises:
        UserError: the rows are too few for them.
    """
    wanted = config["search"]["folds"]
    if wanted["count"] is None:
        return None
    try:
        return assign(PREPARED, wanted["count"], wanted["repeats"], config["seed"])
    except ValueError as error:
        raise UserError(str(error)) from error


def _try_out(config: Tree) -> None:
    """Make the sampler and the pruner, and suggest once, before anything is stored or trained.

    Raises:
        UserError: Optuna refuses an argument, or the sampler cannot deal with the space.
    """
    space = parse_space(config["search"]["space"])
    kind = read_facts(PREPARED)["target"]["kind"]
    if SMOOTHING in space and kind not in SMOOTHABLE:
        raise UserError(no_classes(kind))
    where = "pruner"
    try:
        pruner = make_pruner(config["pruner"])
        where = "search.sampler"
        # Two slots side by side, as there is no result yet.
        window = _window(override(config, {"search.window": 2}), "trial", space, pruner)
        window.put(configured_params(config, space))
        window.suggest()
    except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{where}: Optuna refuses it: {first_line(str(error))}") from error


def _window(
    config: Tree, name: str, space: Space, pruner: optuna.pruners.BasePruner | None
) -> Window:
    search = config["search"]
    objectives = 2 if search["objective"] == "pareto" else 1
    sampler = samplers(search["sampler"], config["seed"], space)
    return Window(name, objectives, search["window"], space, sampler, pruner)


def _search(
    config: Tree,
    name: str,
    parts: Tree,
    folds: np.ndarray | None,
    storage: Storage,
    trainer: Trainer,
    tracker: Tracker,
) -> None:
    space = parse_space(config["search"]["space"])
    study, fixed = _open(config, name, parts, storage, space)
    pool = _pool(config, trainer)
    device = "gpu" if pool.free[0] else "cpu"
    run = str(study.attribute("run") or name)
    recorder = _begin_record(tracker, run, name, config, space, device)
    inputs = Inputs.of("search")
    tracker.inputs(run, "search", inputs)
    slots, ended = _fill(config, study, space, fixed, pool, recorder, folds)
    best = _finals(config, study, pool, recorder, slots, folds)
    chosen = finalists.candidates(best) or candidates(slots)
    winner = choose(chosen, config["search"]["tolerance"])
    if winner is None:
        why = "\n".join(f"  slot {s.slot}: {s.state}: {first_line(s.reason)}" for s in slots)
        raise UserError(f"none of {len(slots)} trials completed:\n{why}")
    conclusion = conclude(slots, winner, best, ended)
    _draw(tracker, run, study)
    _end_record(tracker, run, slots, winner, conclusion, sorted(space), inputs)
    tracker.close()
    summary = {
        **summarise(slots[winner.slot], best),
        "configured": configured(slots),
        "study": name,
        "run_id": tracker.id(run),
        "ended": ended,
        "folds": fold_counts(slots, folds),
        "importances": storage.call(
            lambda: importances(optuna.load_study(study_name=name, storage=storage.rdb))
        ),
        "identity": parts,
    }
    if config["search"]["objective"] == "pareto":
        summary["front"] = front(slots)
    write_outputs(summary, slots, slots[winner.slot].params, sorted(space))
    print(conclusion + _where(tracker, run))


def _open(
    config: Tree, name: str, parts: Tree, storage: Storage, space: Space
) -> tuple[Study, list[Tree]]:
    """The study, and the parameters of its first slots; says what is new about a new one."""
    before = [frozen for frozen in storage.studies() if frozen.study_name != name]
    study = storage.study(name, 2 if config["search"]["objective"] == "pareto" else 1)
    fixed = study.attribute("fixed")
    if fixed is None:
        fixed = [configured_params(config, space), *warm_starts(storage, config, space)]
        _say(_news(config, name, parts, before))
        # `fixed` last: a study that has it is whole.
        # The record is of this study, not of another one's that is alike elsewhere.
        run = f"{name}-{uuid.uuid4().hex[:8]}"
        study.describe(
            {"project": config["project"], "identity": parts, "run": run, "fixed": fixed}
        )
    return study, fixed


def _news(config: Tree, name: str, parts: Tree, before: list[Any]) -> str:
    mine = [
        frozen
        for frozen in before
        if frozen.user_attrs.get("project") == config["project"] and "identity" in frozen.user_attrs
    ]
    if not mine:
        return f"{name}: a new study"
    last = mine[-1]
    differences = "; ".join(changes(last.user_attrs["identity"], parts))
    return f"{name}: another study than {last.study_name}: {differences}"


def _pool(config: Tree, trainer: Trainer) -> Pool[Any]:
    gpus = 0 if config["runtime"]["device"] == "cpu" else trainer.gpus()
    free = places(config["search"], config["runtime"], gpus)
    return Pool(trainer, free, config["search"]["retries"], _say)


def _fill(
    config: Tree,
    study: Study,
    space: Space,
    fixed: list[Tree],
    pool: Pool[Any],
    recorder: Recorder,
    folds: np.ndarray | None,
) -> tuple[list[Slot], str]:
    search = config["search"]
    window = _window(config, study.name, space, make_pruner(config["pruner"]))
    epochs, unit = _steps(config, folds)
    workers = len(pool.free)
    with Board(search["n_trials"], epochs, workers, unit=unit) as board:
        pool.say = recorder.tracker.say = study.storage.say = board.say
        pool.again, pool.sampled = recorder.again, recorder.sample
        stateless = is_stateless(search["sampler"])
        loop = Loop(config, study, window, fixed, stateless, pool, board, recorder, folds)
        ended = loop.fill()
    return [loop.slots[number] for number in sorted(loop.slots)], ended


def _steps(config: Tree, folds: np.ndarray | None) -> tuple[int, str]:
    """How many steps a training has at most, and what they are called."""
    if folds is None:
        return config["training"]["epochs"], "epoch"
    return folds.shape[0] * config["search"]["folds"]["count"], "fold"


def _finals(
    config: Tree,
    study: Study,
    pool: Pool[Any],
    recorder: Recorder,
    slots: list[Slot],
    folds: np.ndarray | None,
) -> list[Finalist]:
    rule = config["search"]["finalists"]
    ranked = rank(candidates(slots), config["search"]["tolerance"])
    chosen = [slots[candidate.slot] for candidate in ranked[: rule["count"]]]
    if not chosen:
        return []
    epochs, unit = _steps(config, folds)
    trials, workers = len(chosen) * rule["seeds"], len(pool.free)
    again = study.storage.study(f"{study.name}-finalists", 1)
    with (
        Board(trials, epochs, workers, noun="finalist", unit=unit) as board,
        tempfile.TemporaryDirectory() as folder,
    ):
        pool.say = recorder.tracker.say = study.storage.say = board.say
        models = Path(folder) if rule["models"] else None
        contest = Contest(config, again, pool, board, recorder, folds, models)
        return finalists.summarise(contest.run(chosen))


def _begin_record(
    tracker: Tracker, run: str, name: str, config: Tree, space: Space, device: str
) -> Recorder:
    """The study's run: what is searched, on what, from where."""
    search = config["search"]
    dataset = provenance.dataset(config, "search")
    ranges = {f"space.{key}": search["space"][key] for key in space}
    tags = {
        "truefit.study": name,
        "truefit.n_trials": search["n_trials"],
        "seed": config["seed"],
        "device": device,
        "mlflow.note.content": f"Under way. Run it again:\n\n{provenance.how_to_repeat([])}",
    }
    tracker.start("study", name, run=run, tags=tags, params=ranges, dataset=dataset)
    tracker.provenance(run, config)
    return Recorder(tracker, run, name, search, dataset, device, config["seed"])


def _draw(tracker: Tracker, run: str, study: Study) -> None:
    """Attach the study's figures."""
    with tempfile.TemporaryDirectory() as folder:
        place, storage = Path(folder), study.storage
        if failed := storage.call(
            lambda: draw_study(optuna.load_study(study_name=study.name, storage=storage.rdb), place)
        ):
            _say(f"note: not drawn: {'; '.join(failed)}")
        tracker.file(run, place, "plots")


def _end_record(
    tracker: Tracker,
    run: str,
    slots: list[Slot],
    winner: Candidate,
    conclusion: str,
    keys: list[str],
    inputs: Inputs,
) -> None:
    counts = Counter(slot.state for slot in slots)
    text = f"{conclusion}\n\nRun it again:\n\n{provenance.how_to_repeat([])}"
    tracker.log(run, tags={"mlflow.note.content": text})
    tracker.text(run, "trials.csv", trials_csv(slots, keys))
    tracker.check(run, "search", inputs)
    tracker.view(run, list(slots[winner.slot].params))
    metrics = {**at_best(slots[winner.slot].result, []), "value": slots[winner.slot].value}
    numbers = {f"trials_{state}": count for state, count in counts.items()}
    tracker.end(run, "complete", metrics={**metrics, "trials": len(slots), **numbers})


def _where(tracker: Tracker, run: str) -> str:
    if tracker.unsent:
        return "\nMLflow has not taken everything yet: `truefit sync` sends it, or the next stage"
    found = show_links(tracker.links(run, server_address()))
    return f"\nwhere: MLflow run {tracker.id(run)}, in the UI of `truefit ui`:\n{found}"


def _say(line: str) -> None:
    print(line, flush=True)
