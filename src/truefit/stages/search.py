"""The search stage: a study's slots, its finalists, and the winner."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truefit.core.errors import UserError
from truefit.core.inputs import Inputs
from truefit.core.paths import PREPARED
from truefit.core.prepared.folder import read_facts
from truefit.core.resolved import SEED, Params, load, override
from truefit.core.study import Finalist, KeptTraining, Lowest, StudySummary, of_slot
from truefit.search import finalists
from truefit.search.check import luck_note
from truefit.search.conclusion import conclude, configured, fold_counts, front, keep, rule, won
from truefit.search.engines.start import started
from truefit.search.figures import draw_study, importances
from truefit.search.identity import changes
from truefit.search.loop import first_line
from truefit.search.outputs import trials_csv, write_outputs
from truefit.search.recorder import Recorder
from truefit.search.samplers import make_pruner
from truefit.search.slots import Slot
from truefit.search.space import SMOOTHING, configured_params, no_classes
from truefit.search.storage.about import LeaderNotice, StudySettings
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study
from truefit.search.storage.workers import Worker
from truefit.search.variants import models
from truefit.search.warm import warm_starts
from truefit.search.winner import Choice, candidates, choose
from truefit.search.work import Sought, Work, make_window
from truefit.tracking import provenance
from truefit.tracking.describe import at_best
from truefit.tracking.progress import say
from truefit.tracking.provenance import commit
from truefit.tracking.redaction import redact
from truefit.tracking.store import tracking_uri
from truefit.tracking.tracker import Tracker
from truefit.tracking.views import WINNER
from truefit.training.process.pool import Pool, make_pool, share_of
from truefit.training.process.trainer import Trainer
from truefit.training.process.tryout import require_saving
from truefit.training.tasks import SMOOTHABLE


def search() -> None:
    """Fill the study's slots, train the finalists, and write trials.csv, study.json, best.yaml.

    A study that was interrupted goes on; a longer one reuses its first slots. Any number of
    workers may take slots meanwhile (`truefit join`); this process leads, and concludes.

    Raises:
        UserError: the configuration cannot be trained, or no trial completed.
    """
    config = load()
    if config["search"]["n_trials"] == 0:
        print("search.n_trials is 0: the model is trained as configured")
        write_outputs(None, [], {}, [])
        return
    sought = Sought.here(config)
    _try_out(sought)
    with (
        Trainer(config["backend"], config["runtime"]["device"]) as trainer,
        Tracker(config["mlflow_experiment"], "search", say) as tracker,
    ):
        storage = Storage.open(say)
        with storage.lock(sought.study):
            _lead(sought, storage, trainer, tracker)


def _try_out(sought: Sought) -> None:
    """Make the sampler and the pruner, and suggest once, before anything is stored or trained.

    Raises:
        UserError: Optuna refuses an argument, or the sampler cannot deal with the space.
    """
    config, space, facts = sought.config, sought.space, read_facts(PREPARED)
    if note := luck_note(config, facts):
        print(f"note: {note}")
    kind = facts.target.kind
    if SMOOTHING in space and kind not in SMOOTHABLE:
        raise UserError(no_classes(kind))
    where = "pruner"
    try:
        make_pruner(config["pruner"], config["packages"])
        where = "search.sampler"
        # Two slots side by side, as there is no result yet.
        window = make_window(override(config, {"search.window": 2}), "trial", space)
        window.put(configured_params(config, space))
        window.suggest()
    except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{where}: Optuna refuses it: {first_line(str(error))}") from error


@dataclass(frozen=True)
class SearchResult:
    """All trials and finalists of a finished study, and what was chosen of them."""

    slots: list[Slot]
    finalists: list[Finalist]
    ended: str  # `n_trials`, or the budget that ended it
    choice: Choice
    kept: KeptTraining | None  # the training that becomes the model; `None` with folds
    conclusion: str  # in words

    @property
    def winner(self) -> Slot:
        """The winning trial."""
        return self.slots[self.choice.winner.slot]


def _lead(sought: Sought, storage: Storage, trainer: Trainer, tracker: Tracker) -> None:
    """Fill the study, choose the winner, and put both on record."""
    config, keys = sought.config, sorted(sought.space)
    require_saving(trainer, config, models(config, sought.space))
    study, made = _open(sought, storage)
    pool = make_pool(config, trainer, say, here=config["search"]["engine"]["name"] == "local")
    recorder = _begin_record(tracker, made.run or study.name, sought, pool)
    _tell_joiners(study, sought, recorder)
    inputs = Inputs.of("search")
    tracker.inputs(recorder.run, "search", inputs)
    outcome = _settle(sought, *_work(sought, study, made.fixed or [], pool, recorder))
    study.describe({"led": None})
    _draw(tracker, recorder.run, study)
    _end_record(recorder, outcome, keys, inputs)
    tracker.close()
    summary = _summarise(outcome, sought, study, tracker.id(recorder.run))
    is_open = config["training"]["seed"] is None
    seed = {SEED: outcome.kept.seed} if outcome.kept and is_open else {}
    write_outputs(summary, outcome.slots, {**outcome.winner.params, **seed}, keys)
    print(outcome.conclusion + _where(tracker, recorder.run))


def _tell_joiners(study: Study, sought: Sought, recorder: Recorder) -> None:
    """Write into the study what those who join have to know; `led` last."""
    dataset = recorder.dataset.as_json() if recorder.dataset else None
    record = redact(tracking_uri())
    study.describe(vars(LeaderNotice(commit(), dataset, sought.rules, record, time.time())))


def _work(
    sought: Sought, study: Study, fixed: list[Params], pool: Pool[Any], recorder: Recorder
) -> tuple[list[Slot], list[Finalist], str]:
    """Train all slots and finalists, with those who join; what ended it comes last."""
    search = sought.config["search"]
    with (
        started(search["engine"], say) as tend,
        Worker.begin(study, search["lease"], len(pool.free)) as worker,
    ):
        work = Work(sought, study, fixed, worker, pool, recorder, leads=True, tend=tend)
        slots, ended = work.slots()
        return slots, work.finalists(slots), ended


def _settle(sought: Sought, slots: list[Slot], best: list[Finalist], ended: str) -> SearchResult:
    """Choose the winner, and the training of it that becomes the model.

    Raises:
        UserError: no trial completed.
    """
    tolerance = sought.config["search"]["tolerance"]
    choice = choose(finalists.candidates(best) or candidates(slots), tolerance)
    if choice is None:
        why = "\n".join(f"  slot {s.slot}: {s.state}: {first_line(s.reason)}" for s in slots)
        own = any(slot.own for slot in slots)
        raise UserError(f"none of {len(slots)} trials came to a result:\n{why}", own=own)
    winner = slots[choice.winner.slot]
    # A model of all training rows is no training of any fold.
    own = sought.folds is None
    kept = keep(sought.config["seed"], winner, of_slot(best, winner.slot)) if own else None
    conclusion = conclude(slots, choice, best, ended, tolerance)
    return SearchResult(slots, best, ended, choice, kept, conclusion)


def _summarise(
    outcome: SearchResult, sought: Sought, study: Study, run_id: str | None
) -> StudySummary:
    """The contents of study.json."""
    slots, best, choice, winner = outcome.slots, outcome.finalists, outcome.choice, outcome.winner
    return StudySummary(
        study=study.name,
        run_id=run_id,
        winner=won(winner, of_slot(best, winner.slot), outcome.kept),
        constant_loss=winner.constant_loss,
        lowest=Lowest(choice.lowest.slot, choice.lowest.value),
        margin=choice.margin,
        decided_by=choice.reason,
        finalists=best,
        against_winner=finalists.compare(best, winner.slot),
        rule=rule(best),
        configured=configured(slots),
        ended=outcome.ended,
        folds=fold_counts(slots, sought.folds),
        importances=study.whole(importances),
        identity=sought.identity,
        counts=dict(Counter(slot.state for slot in slots)),
        front=front(slots) if sought.config["search"]["objective"] == "pareto" else None,
    )


def _open(sought: Sought, storage: Storage) -> tuple[Study, StudySettings]:
    """The study, and what it is made with; says what is new about a new one."""
    config, name = sought.config, sought.study
    before = {
        frozen.study_name: StudySettings.of(frozen.user_attrs) for frozen in storage.studies()
    }
    study = Study.of(storage, name, 2 if config["search"]["objective"] == "pareto" else 1)
    made = StudySettings.of(study.attributes())
    if made is None or made.fixed is None:
        space = sought.space
        fixed = [configured_params(config, space), *warm_starts(storage, config, space)]
        say(_news(sought, before))
        # `fixed` last: a study that has it is whole.
        # The record is of this study, not of another one's that is alike elsewhere.
        run = f"{name}-{uuid.uuid4().hex[:8]}"
        made = StudySettings(config["mlflow_experiment"], sought.identity, run, fixed)
        study.describe(vars(made))
    return study, made


def _news(sought: Sought, before: dict[str, StudySettings | None]) -> str:
    mine = [
        (name, made)
        for name, made in before.items()
        if name != sought.study and made and made.project == sought.config["mlflow_experiment"]
    ]
    if not mine:
        return f"{sought.study}: a new study"
    name, last = mine[-1]
    differences = "; ".join(changes(last.identity, sought.identity))
    return f"{sought.study}: a new study; it differs from {name} in: {differences}"


def _begin_record(tracker: Tracker, run: str, sought: Sought, pool: Pool[Any]) -> Recorder:
    """The study's run: what is searched, on what, from where."""
    config, search, name = sought.config, sought.config["search"], sought.study
    on_gpu = any(map(share_of, pool.free)) or search["engine"].get("gpus")
    device = "gpu" if on_gpu else "cpu"
    dataset = provenance.dataset(config, "search")
    ranges = {f"space.{key}": search["space"][key] for key in sought.space}
    tags: dict[str, str | float] = {
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
        place = Path(folder)
        if failed := study.whole(lambda loaded: draw_study(loaded, place)):
            say(f"note: not drawn: {'; '.join(failed)}")
        tracker.file(run, place, "plots")


def _end_record(recorder: Recorder, outcome: SearchResult, keys: list[str], inputs: Inputs) -> None:
    tracker, run, slots, winner = recorder.tracker, recorder.run, outcome.slots, outcome.winner
    counts = Counter(slot.state for slot in slots)
    text = f"{outcome.conclusion}\n\nRun it again:\n\n{provenance.how_to_repeat([])}"
    tracker.log(run, tags={"mlflow.note.content": text, WINNER: f"slot {winner.slot}"})
    tracker.text(run, "trials.csv", trials_csv(slots, keys))
    tracker.check(run, "search", inputs)
    tracker.view(run, list(winner.params), winner.slot)
    metrics = {**at_best(winner.result, []), "value": winner.value}
    numbers = {f"trials_{state}": count for state, count in counts.items()}
    tracker.end(run, "complete", metrics={**metrics, "trials": len(slots), **numbers})


def _where(tracker: Tracker, run: str) -> str:
    if tracker.unsent:
        return "\nMLflow has not taken everything yet: `truefit sync` sends it, or the next stage"
    return f"\nwhere: `truefit ui` shows the study's table and charts, MLflow run {tracker.id(run)}"
