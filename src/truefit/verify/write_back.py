"""A verification's verdict, written back to the run and shown in its report."""

from __future__ import annotations

import html
import json
import time
from pathlib import Path

from truefit.core.files import write_text
from truefit.tracking.records import Record
from truefit.tracking.redaction import redact
from truefit.tracking.store import Store
from truefit.verify.verdict import Proof

MARK = "<!-- verified -->"  # where the report's template leaves room
REPORT = Path("outputs/verify/report.html")


def write_back(store: Store, record: Record, verdict: Proof) -> None:
    """Tags, verification.json and the report of the run; the report is left here too."""
    run = record.id
    when = time.strftime("%Y-%m-%d %H:%M")
    if verdict.name == "could not try":  # says nothing of the run
        return
    told = {**verdict.as_json(), "run_id": run, "when": when}
    store.client.log_text(run, redact(json.dumps(told, indent=2)), "verification.json")
    if (report := record.text("report.html")) and MARK in report:
        before, *_, after = report.split(MARK)
        shown = f'<p class="soft">The numbers behind this page, run again on {when}: '
        shown += f"{html.escape(redact(verdict.said))}</p>"
        report = MARK.join([before, shown, after])
        write_text(REPORT, report)
        store.client.log_text(run, report, "report.html")
    said = {
        "truefit.verified": redact(verdict.said)[:5000],
        "truefit.verified.verdict": verdict.name,
    }
    # At once, so that the name and the sentence are of one verdict.
    store.log(run, [], {}, said)
