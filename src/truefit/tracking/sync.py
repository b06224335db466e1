"""`truefit sync`: the journals that wait, and what MLflow has lost of those that were sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from truefit.core.paths import project_root, sqlite_file
from truefit.tracking.copies import Folders, bring_back
from truefit.tracking.journal import journals, put_back, sent, waiting
from truefit.tracking.readback import lacking
from truefit.tracking.store import Store
from truefit.tracking.writer import FAREWELL, send_left


@dataclass(frozen=True)
class Synchronised:
    """How many journals waited, were sent, and are of stages under way; how many runs are lost."""

    journals: int
    sent: int
    under_way: int
    lost: int  # runs that MLflow took before, and does not have
    runs: int  # that it took before
    store: str

    @property
    def fault(self) -> str:
        """What is not as it should be, with the way out; empty if MLflow has everything."""
        if self.sent + self.under_way < self.journals:
            return "MLflow did not take the others; `truefit sync` once more when it does"
        if self.lost:
            return (
                f"MLflow at {self.store} lacks {self.lost} of {self.runs} runs that were sent: its "
                "database was removed or replaced, or MLFLOW_TRACKING_URI names another one; "
                "`truefit sync --all` sends everything again"
            )
        return ""

    def as_json(self) -> dict[str, int]:
        """What `--json` prints."""
        return {
            "journals": self.journals,
            "sent": self.sent,
            "under_way": self.under_way,
            "lost": self.lost,
        }

    def __str__(self) -> str:
        """What a person reads."""
        if not self.journals:
            return "nothing waits to be sent" if self.lost else "MLflow has everything"
        stages = f"; {self.under_way} of stages that are under way" if self.under_way else ""
        return f"sent {self.sent} of {self.journals} journals{stages}"


def synchronise(say: Callable[[str], None], *, everything: bool = False) -> Synchronised:
    """Send what waits; `everything` also what was sent before, as far as the journals keep it.

    Raises:
        UserError: MLflow cannot be reached, or its database was replaced meanwhile.
    """
    store = Store.open()
    if everything:
        _put_all_back(store)
    before = waiting()
    left = send_left(store, say, farewell=FAREWELL) if before else []
    under_way = [journal for journal in before if journal not in left and journal.exists()]
    done = len(before) - len(left) - len(under_way)
    lost, runs = lacking(store)
    return Synchronised(len(before), done, len(under_way), len(lost), runs, store.uri)


def _put_all_back(store: Store) -> None:
    """Every journal that was sent waits again, with those of its files that are still here.

    MLflow's database may be lost while its files are not.
    """
    database = sqlite_file(store.uri)
    artifacts = [database.absolute().parent / "mlartifacts"] if database else []
    folders = Folders.of([project_root() / "outputs", *artifacts])
    for journal in sent():
        # The files first: a stage that runs may send the journal as soon as it waits.
        bring_back(journal, journals() / journal.name, folders)
        put_back(journal)
