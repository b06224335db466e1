"""Commands on a result: look at it, use it, prove it, promote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from truefit.commands.ends import NOT_TRIED, Json, as_given, echo, or_exit
from truefit.core.files import read_json
from truefit.core.paths import EVALUATE, SEARCH, TRAIN
from truefit.evaluation.finding import Judgement
from truefit.evaluation.report.summary import summary

if TYPE_CHECKING:
    from truefit.evaluation.metrics import Metrics

RunId = Annotated[
    str,
    typer.Argument(
        metavar="[RUN_ID]",
        help="A run id (`truefit runs`) or `champion`; by default the last one trained here.",
    ),
]

WHICH = "A run's id or its first characters, `latest` or `champion`."


def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """The last result at a glance: score with interval, gap, verdict, where to look.

    Example: truefit show --json | jq .test.accuracy
    """
    from truefit.core.run import Run  # noqa: PLC0415 - see `predict`

    metrics_file, run_file = EVALUATE / "metrics.json", TRAIN / "run.json"
    if not metrics_file.exists() or not run_file.exists():
        echo("error: there is no result here yet: run `dvc repro` in the project", err=True)
        raise typer.Exit(1)
    needs = ("test", "headline", "gap", "verdict")
    metrics: Metrics = or_exit(lambda: read_json(metrics_file, *needs))
    if as_json:
        echo(json.dumps(metrics, indent=2))
        return
    run = or_exit(lambda: Run.read(run_file))
    file = EVALUATE / "verdict.json"
    verdict = or_exit(lambda: Judgement.read(file)) if file.exists() else None
    echo(summary(metrics, verdict))
    echo(
        f"report   {EVALUATE}/report.html\n"
        f"trials   {SEARCH}/trials.csv\n"
        f"model    {TRAIN}/model.keras\n"
        f"record   `truefit ui`, run {run.run_id or 'not sent yet'}"
    )


def runs(
    number: Annotated[
        int, typer.Option("-n", min=1, help="How many trainings to list, the newest first.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Trainings of this project: score with interval, gap, verdict, commit, and what was set.

    A commit with `+` had uncommitted changes. Other commands take a run's first characters.

    Example: truefit runs -n 5
    """
    from dataclasses import asdict  # noqa: PLC0415 - see `predict`

    from truefit.commands.listing import table, trainings  # noqa: PLC0415
    from truefit.core.resolved import load  # noqa: PLC0415
    from truefit.tracking.journal import waiting  # noqa: PLC0415
    from truefit.tracking.store import Store  # noqa: PLC0415

    found = or_exit(lambda: trainings(Store.open(), load()["mlflow_experiment"]))
    shown = found[:number]
    if as_json:
        echo(json.dumps([asdict(one) for one in shown], indent=2))
        return
    echo(table(shown) if shown else "no training is on record yet: `dvc repro` makes one")
    if len(found) > number:
        echo(f"and {len(found) - number} older: `truefit runs -n {len(found)}`")
    if waiting():
        echo("note: MLflow has not taken everything yet: `truefit sync` sends it", err=True)


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=WHICH)],
    second: Annotated[str, typer.Argument(metavar="B", help=WHICH)] = "latest",
    as_json: Json = False,
) -> None:
    """Two trainings side by side: settings that differ, scores with intervals, gap, verdict.

    Where both were measured on the test rows that are here, also the difference on the same rows.

    Example: truefit compare 1e80a6b9 champion
    """
    from dataclasses import asdict  # noqa: PLC0415 - see `predict`

    from truefit.commands.comparison import compare as put_beside  # noqa: PLC0415
    from truefit.commands.comparison import table  # noqa: PLC0415

    found = or_exit(lambda: put_beside(first, second))
    echo(json.dumps(asdict(found), indent=2) if as_json else table(found))


def predict(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help="A .csv, .inter, .parquet, .npy, .npz or .wav file, an image, or a folder of "
            "images or recordings."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Which model: `here`, `champion`, or an address of MLflow, models:/NAME/1."
        ),
    ] = "here",
    output: Annotated[
        Path | None, typer.Option(help="File to write, .csv or .npy; by default the terminal.")
    ] = None,
) -> None:
    """What the model says of rows as they come, columns and separators as in the configured data.

    A class with the probability of each, a number in its own unit, or a probability a label.

    Example: truefit predict customers.csv --model champion --output predicted.csv
    """
    from truefit.serving.predict import predict as tell  # noqa: PLC0415 - seconds that `show` spares

    given, wanted = as_given(context, file), as_given(context, output) if output else None
    typer.echo(or_exit(lambda: tell(given, model, wanted)), nl=False)


def generate(
    prompt: Annotated[str, typer.Argument(help="Beginning of the text.")],
    tokens: Annotated[int, typer.Option(min=1, help="How many characters to add.")] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the draws; the same seed gives the same text.")
    ] = 0,
    temperature: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="1 draws as the model says, less prefers likely characters, 0 the likeliest.",
        ),
    ] = 1.0,
    model: Annotated[
        str,
        typer.Option(
            help="Which model: `here`, `champion`, or an address of MLflow, models:/NAME/1."
        ),
    ] = "here",
) -> None:
    """Continue a text with a language model (task next_token), a character at a time.

    Example: truefit generate "ROMEO:" --tokens 200 --seed 0
    """
    from truefit.serving.generate import generate as write  # noqa: PLC0415 - see `predict`

    typer.echo(or_exit(lambda: write(prompt, model, tokens, seed, temperature)))


def verify(
    run_id: RunId = "latest",
    search: Annotated[
        bool, typer.Option("--search", help="Also run the study again that chose the parameters.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Trials side by side, with --search; the result is the same."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="How far numbers may differ, in units of max(1, |recorded number|)."
        ),
    ] = None,
    trust_uncommitted: Annotated[
        bool, typer.Option(help="Run recorded changes that are in no commit; read them first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Prove a training or a study: make it again from its commit and data, and compare.

    Exit 0: bit-exact or within tolerance, 1: diverged, 2: it could not be tried.

    Example: truefit verify latest --search
    """
    from truefit.commands.listing import whole_id  # noqa: PLC0415 - see `predict`
    from truefit.verify.verdict import EXIT  # noqa: PLC0415
    from truefit.verify.verify import Wish, verify_and_tell  # noqa: PLC0415

    run = or_exit(lambda: whole_id(run_id), code=NOT_TRIED)
    wish = Wish(tolerance, search, workers, trust_uncommitted)
    verdict = or_exit(
        lambda: verify_and_tell(run, wish, lambda line: echo(line, err=as_json)),
        kept="nothing was written back",
    )
    if as_json:
        echo(json.dumps(verdict.as_json(), indent=2))
    raise typer.Exit(EXIT[verdict.name])


def promote(
    run_id: RunId = "latest",
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Compare with the champion first.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Make a training's model the champion, if the rules of conf/promotion hold.

    Exit 0: it is the champion, 1: a rule does not hold, 2: it could not be judged.

    Example: truefit promote && mlflow models serve -m models:/truefit@champion --env-manager local
    """
    from dataclasses import asdict  # noqa: PLC0415 - see `predict`

    from truefit.commands.listing import whole_id  # noqa: PLC0415
    from truefit.serving.promote import promote as decide  # noqa: PLC0415
    from truefit.serving.promote import table  # noqa: PLC0415

    def say(line: str) -> None:
        echo(line, err=as_json)

    run = or_exit(lambda: whole_id(run_id), code=NOT_TRIED)
    decision = or_exit(lambda: decide(run, compare=compare, say=say), code=NOT_TRIED)
    echo(json.dumps(asdict(decision), indent=2) if as_json else table(decision))
    is_champion = decision.champion and decision.champion.run_id == decision.run_id
    raise typer.Exit(0 if is_champion else 1)
