"""How long MLflow's UI takes to open a study's table, sorted by value, among 10,000 runs.

Run `python benchmarks/table.py`; it needs Chromium and prints Markdown. A real trial in a real
database of the project's own is copied in SQL until there are 10,000; then `truefit ui` runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from test_ui import QUIET, ROWS, STUDY, running_ui, trial  # noqa: E402 - it drives the same pages

from truefit.tracking.database import tidy  # noqa: E402
from truefit.tracking.store import tracking_uri  # noqa: E402
from truefit.tracking.tracker import Tracker  # noqa: E402


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path(".dvc").mkdir()
        Path("resolved.yaml").write_text((ROOT / "resolved.yaml").read_text())
        for name in ("conf", "params.yaml"):
            Path(name).symlink_to(ROOT / name)
        fill(runs)
        unsorted = search()
        began = time.perf_counter()
        tidy(tracking_uri())
        took = time.perf_counter() - began
        print(f"| {runs} runs in the project's own database | seconds |\n|---|---|")
        print(f"| sorted search, before `ANALYZE` | {unsorted:.2f} |")
        print(f"| `ANALYZE`, at the end of each stage | {took:.2f} |")
        print(f"| sorted search, after it | {search():.2f} |", flush=True)
        with running_ui() as links:
            answers = [request(links["table"]) for _ in range(5)]
            print(f"| such a search by HTTP, median | {statistics.median(answers):.2f} |")
            first, *others = pages(links["table"])
            print(f"| rows on the page, first visit | {first:.2f} |")
            print(f"| rows on the page, later visits, median | {statistics.median(others):.2f} |")


def fill(runs: int) -> None:
    """A study of so many trials, all but one of them copies with other values."""
    with Tracker("truefit", "search") as tracker:
        tracker.start("study", STUDY, run=STUDY, tags={"truefit.study": STUDY})
        trial(tracker, 1, 0.5)
        tracker.view(STUDY, ["model.depth", "optimizer.learning_rate"], winner=1)
        tracker.end(STUDY, "complete")
    tables = ("runs", "tags", "params", "metrics", "latest_metrics")
    with contextlib.closing(sqlite3.connect("mlflow.db")) as database:
        one = database.execute("select run_uuid from runs where name like 't0001%'").fetchone()[0]
        draw = random.Random(0)
        for number in range(runs - 2):
            copy = f"{number:032x}"
            for table in tables:
                columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
                values = ", ".join("?" if c == "run_uuid" else c for c in columns)
                database.execute(
                    f"insert into {table} select {values} from {table} where run_uuid = ?",
                    (copy, one),
                )
            for table in ("metrics", "latest_metrics"):
                database.execute(
                    f"update {table} set value = ? where run_uuid = ? and key = 'value'",
                    (draw.random(), copy),
                )
        database.commit()


def search() -> float:
    """Seconds of the table's query, by the client."""
    code = (
        "import time; from truefit.tracking.store import Store; s = Store.open()\n"
        "e = s.experiment('truefit'); t = time.perf_counter()\n"
        "kind = 'tags.`truefit.kind` = \"trial\"'\n"
        "s.client.search_runs([e], kind, max_results=100, order_by=['metrics.value ASC'])\n"
        "print(time.perf_counter() - t)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def request(link: str) -> float:
    """Seconds of a search such as the page sends: the best hundred trials."""
    body = {
        "experiment_ids": ["1"],
        "filter": "tags.`truefit.kind` = 'trial'",
        "order_by": ["metrics.`value` ASC"],
        "max_results": 100,
        "run_view_type": "ACTIVE_ONLY",
    }
    address = link.partition("/#")[0] + "/ajax-api/2.0/mlflow/runs/search"
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(address, json.dumps(body).encode(), headers)
    began = time.perf_counter()
    with urllib.request.urlopen(asked) as answer:
        answer.read()
    return time.perf_counter() - began


def pages(link: str) -> list[float]:
    """Seconds from a visit until the rows are there, several times."""
    from selenium import webdriver  # noqa: PLC0415 - of the tests' requirements
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    for argument in ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": QUIET})
    times = []
    for _ in range(6):
        driver.get("about:blank")
        began = time.perf_counter()
        driver.get(link)
        while not driver.execute_script(ROWS):
            time.sleep(0.02)
        times.append(time.perf_counter() - began)
    driver.quit()
    return times


if __name__ == "__main__":
    main()
