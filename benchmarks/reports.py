"""The report of every task in a real browser: on a desk, on a telephone, on paper.

`python benchmarks/reports.py FOLDER [names]` in a clone: it changes params.yaml. Runs each task on
small data, opens its report.html in headless Chromium at 1280 and 400 pixels, prints it to PDF, and
writes pictures and PDFs into FOLDER. Prints Markdown: bytes, console messages, pictures that did
not load, and by how many pixels a page is wider than its window. 10 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
from pathlib import Path
from typing import Any

from experiment import add_choices, run
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

SHORT = ("search.n_trials=4", "training.epochs=4", "++set.search.finalists.n_seeds=2")
TASKS: dict[str, tuple[str, ...]] = {
    "regression": ("data=diabetes", "++set.evaluation.repeats.n_seeds=2"),
    "binary": ("data=breast_cancer",),
    "multiclass, images": ("experiment=image_cnn", "augmentation=images"),
    "multiclass, sounds": ("experiment=speech",),
    "multiclass, texts": ("experiment=text_classifier",),
    "multilabel": ("data=shapes", "model=cnn"),
    "reconstruction": ("experiment=autoencoder",),
    "generation": ("experiment=gan",),
    "ratings": ("experiment=recommender",),
    "next_token": ("experiment=language_model",),
    "by folds, regularised": (
        "data=wine",
        "experiment=regularized",
        "++search=folds",
        "++set.search.n_trials=4",
    ),
    "without a search": ("data=iris", "search.n_trials=0"),
}
WIDTHS = (1280, 400)
LOOK = """return {
  wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length,
  height: document.documentElement.scrollHeight }"""


def browser() -> Any:
    """Headless Chromium that keeps the console's messages."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = str(shutil.which("chromium"))
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def look(driver: Any, page: Path, to: Path) -> str:
    """Pictures, a PDF, and what is wrong with the page."""
    told = []
    for width in WIDTHS:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.resolve().as_uri())
        found = driver.execute_script(LOOK)
        told.append(f"{found['wider']} px wider, {found['broken']} broken")
        shot = {"captureBeyondViewport": True, "format": "png"}
        picture = driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]
        to.with_name(f"{to.name}-{width}.png").write_bytes(base64.b64decode(picture))
    pdf = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    to.with_suffix(".pdf").write_bytes(base64.b64decode(pdf))
    messages = [entry["message"] for entry in driver.get_log("browser")]
    return f"{page.stat().st_size / 1e6:.2f} MB | " + " | ".join(told) + f" | {len(messages)} |"


def main() -> None:
    """Print one line per task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=TASKS, help=", ".join(TASKS))
    add_choices(parser)
    asked = parser.parse_args()
    folder: Path = asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    print("| task | verdict | size | 1280 px | 400 px | console messages |\n" + "|---" * 6 + "|")
    driver = browser()
    try:
        for task in asked.names:
            choices = (*TASKS[task], *asked.further)
            run([*choices, *(s for s in SHORT if s.partition("=")[0] not in str(choices))])
            verdict = json.loads(Path("outputs/evaluate/metrics.json").read_text())["verdict"]
            name = folder / task.replace(", ", "-").replace(" ", "-")
            page = Path("outputs/evaluate/report.html")
            shutil.copy(page, name.with_suffix(".html"))
            print(f"| {task} | {verdict} | {look(driver, page, name)}", flush=True)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
