"""`truefit join`: another machine takes slots of the study that is under way."""

from __future__ import annotations

from truefit.core.errors import UserError
from truefit.core.paths import PREPARED
from truefit.core.resolved import load
from truefit.search.identity import changes
from truefit.search.recorder import Recorder
from truefit.search.storage.about import LeaderNotice, StudySettings
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study
from truefit.search.storage.workers import Worker
from truefit.search.work import Sought, Work
from truefit.tracking.events import Dataset
from truefit.tracking.progress import say
from truefit.tracking.provenance import commit
from truefit.tracking.redaction import redact
from truefit.tracking.store import tracking_uri
from truefit.tracking.tracker import Tracker
from truefit.training.process.pool import make_pool, share_of
from truefit.training.process.trainer import Trainer

WAY_OUT = (
    "Every worker of a study needs the same commit, data and configuration: `git fetch && git "
    "checkout {commit}`, `dvc pull` (or `dvc repro preprocess`), and the same params.yaml"
)


class JoinRefusedError(UserError):
    """This machine cannot work on the study; another try will not do either."""


def join() -> None:
    """Take slots, then finalists, of the running study, until none is left.

    Raises:
        UserError: no study is under way, or it is of another commit, data or configuration.
    """
    config = load()
    if not (PREPARED / "dataset.json").exists():
        raise JoinRefusedError(
            f"{PREPARED} is not here: `dvc pull` or `dvc repro preprocess` brings the data"
        )
    sought = Sought.here(config)
    storage = Storage.open(say)
    study, made, led = find(storage, sought)
    with (
        Trainer(config["backend"], config["runtime"]["device"]) as trainer,
        Worker.begin(study, config["search"]["lease"], 0) as worker,
        Tracker(config["mlflow_experiment"], "join", say) as tracker,
    ):
        pool = make_pool(config, trainer, say)
        worker.places = len(pool.free)
        if led.record != redact(tracking_uri()):
            say(
                f"note: the study is recorded in {led.record}, and this machine records in "
                f"{redact(tracking_uri())}: MLFLOW_TRACKING_URI should lead to the same server"
            )
        device = "gpu" if any(map(share_of, pool.free)) else "cpu"
        run, search = made.run or study.name, config["search"]
        dataset = Dataset.of(led.dataset) if led.dataset else None
        recorder = Recorder(tracker, run, study.name, search, dataset, device, config["seed"])
        say(f"{study.name}: joined as {worker.id}, {worker.places} side by side")
        work = Work(sought, study, made.fixed or [], worker, pool, recorder, leads=False)
        slots, _ = work.slots()
        work.finalists(slots)
        say(f"{study.name}: no slot is left; {pool.started} trainings ran here")


def find(storage: Storage, sought: Sought) -> tuple[Study, StudySettings, LeaderNotice]:
    """The study that is under way, what it is made with, and what its leader tells.

    Raises:
        JoinRefusedError: there is none, or what it depends on is not what is here; each difference
            is named.
    """
    begun = []
    for frozen in storage.studies():
        made, led = StudySettings.of(frozen.user_attrs), LeaderNotice.of(frozen.user_attrs)
        if made and led and made.project == sought.config["mlflow_experiment"]:
            begun.append((frozen, made, led))
    here = [one for one in begun if one[0].study_name == sought.study]
    under_way = here or [one for one in begun if one[2].led]
    if not under_way:
        raise JoinRefusedError(
            f"no study of {sought.config['mlflow_experiment']!r} is under way in this storage: "
            "`dvc repro` starts it; TRUEFIT_STORAGE has to be the same on every machine"
        )
    there, made, led = max(under_way, key=lambda one: one[2].led or 0.0)
    differences = changes(made.identity, sought.identity) + [
        f"search.{key}: {rule} -> {sought.rules[key]}"
        for key, rule in led.rules.items()
        if sought.rules[key] != rule
    ]
    if led.commit != commit():
        differences.insert(0, f"commit: {led.commit[:12]} -> {commit()[:12]}")
    if differences:
        listed = "\n".join(f"  - {difference}" for difference in differences)
        way = WAY_OUT.format(commit=led.commit[:12] or "...")
        raise JoinRefusedError(
            f"{there.study_name}, which is under way, is not of what is here (there -> here):\n"
            f"{listed}\n{way}"
        )
    return Study.of(storage, there.study_name, len(there.directions)), made, led
