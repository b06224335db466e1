"""Links into MLflow's UI: a study's table, its charts, its ten best side by side; all runs.

The UI has no address for columns and charts. It takes them from a view that somebody shared, which
is a tag of the experiment; so each study shares one, and the table of all runs has another.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from urllib.parse import quote

from truefit.tracking.store import Store

BEST = 10
METRICS = ("value", "best_val_loss", "gap", "best_epoch")
CURVES = ("val_loss", "loss")
STATE, WINNER = "truefit.state", "truefit.winner"
ALL_RUNS = "truefit-runs"
SCORES = (
    "metrics.`score`",
    "metrics.`gap`",
    "tags.`truefit.verdict`",
    "tags.`truefit.headline`",
    f"tags.`{STATE}`",
    f"tags.`{WINNER}`",
)


def share(store: Store, experiment: str, study: str, parent: str, params: list[str]) -> None:
    """Share the view of a study: its trials from the best to the worst, curves of the ten best."""
    columns = [f"metrics.`{name}`" for name in METRICS]
    columns += [f"tags.`{name}`" for name in (STATE, WINNER)]
    columns += [f"params.`{name}`" for name in params]
    _share(
        store,
        experiment,
        study,
        {
            **_table(columns),
            "searchFilter": _trials_of(parent),
            "orderByKey": "metrics.`value`",
            "orderByAsc": True,
            "runsHiddenMode": f"FIRST_{BEST}_RUNS",
            "globalLineChartConfig": {
                "xAxisKey": "step",
                "lineSmoothness": 0,
                "selectedXAxisMetricKey": "",
            },
            "compareRunCharts": _charts(study, params),
            "compareRunSections": [
                {
                    "uuid": study,
                    "name": study,
                    "display": True,
                    "isReordered": False,
                    "deleted": False,
                    "isGenerated": False,
                }
            ],
        },
    )


def share_runs(store: Store, experiment: str) -> None:
    """Share the table of all runs: the newest first, with score, gap and verdict as columns."""
    state = {**_table(list(SCORES)), "searchFilter": "", "orderByAsc": False}
    _share(store, experiment, ALL_RUNS, {**state, "orderByKey": "attributes.start_time"})


def _share(store: Store, experiment: str, name: str, state: Mapping[str, object]) -> None:
    now = int(time.time() * 1000)
    view = {"name": name, "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    store.client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{name}", json.dumps(view))


def ten_best(store: Store, experiment: str, parent: str) -> list[str]:
    """Ids of the runs of a study's best trials, the best first."""
    condition = f"{_trials_of(parent)} and attributes.status = 'FINISHED'"
    condition += f" and tags.`{STATE}` != 'pruned'"
    order = ["metrics.value ASC"]
    found = store.client.search_runs([experiment], condition, max_results=BEST, order_by=order)
    return [run.info.run_id for run in found]


def mark_winner(store: Store, experiment: str, parent: str, slot: int) -> None:
    """Tag the trial that won, and no other: a study that was lengthened may have a new winner."""
    for trial in store.search(experiment, _trials_of(parent)):
        won = trial.data.tags.get("truefit.key") == str(slot)
        if won:
            store.client.set_tag(trial.info.run_id, WINNER, "true")
        elif WINNER in trial.data.tags:
            store.client.delete_tag(trial.info.run_id, WINNER)


def links(server: str, experiment: str, study: str, best: list[str]) -> dict[str, str]:
    """Addresses by what they show.

    The shared view is taken only where no other parameter of a search stands beside it.
    """
    table = _table_address(server, experiment, study)
    found = {"table": table, "charts": f"{table}&compareRunsMode=CHART"}
    if len(best) > 1:
        runs, experiments = _packed(best), _packed([experiment])
        found["ten best"] = f"{server}/#/compare-runs?runs={runs}&experiments={experiments}"
    return found


def all_runs(server: str, experiment: str) -> str:
    """Address of the table of all runs that `share_runs` shares."""
    return _table_address(server, experiment, ALL_RUNS)


def _table_address(server: str, experiment: str, view: str) -> str:
    shared = f"viewStateShareKey={quote(view)}&workflowType=machine_learning"
    return f"{server}/#/experiments/{experiment}/runs?{shared}"


def _packed(value: list[str]) -> str:
    return quote(json.dumps(value, separators=(",", ":")))


def _trials_of(parent: str) -> str:
    return f"tags.`mlflow.parentRunId` = '{parent}' and tags.`truefit.kind` = 'trial'"


def _table(columns: list[str]) -> dict[str, object]:
    """What every table has in common: these columns behind the run's name."""
    name = "attributes.`Run Name`"
    return {
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": ["1", name, *columns, "runDateAndNestInfo", "duration"],
        "columnWidths": {name: 260},
        "groupBy": None,
        "hideEmptyCharts": True,
    }


def _charts(study: str, params: list[str]) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = [
        {
            "type": "LINE",
            "displayName": name,
            "metricKey": name,
            "selectedMetricKeys": [name],
            "lineSmoothness": 0,
            "xAxisScaleType": "linear",
            "scaleType": "linear",
            "range": {},
            "xAxisKey": "step",
            "selectedXAxisMetricKey": "",
            "yAxisKey": "metric",
            "yAxisExpressions": [],
            "ignoreOutliers": False,
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }
        for name in CURVES
    ]
    value, gap = ({"key": key, "type": "METRIC"} for key in ("value", "gap"))
    others: list[dict[str, object]] = [
        {"type": "SCATTER", "xaxis": value, "yaxis": gap},
        {
            "type": "PARALLEL",
            "selectedParams": params,
            "selectedMetrics": ["value"],
            "showAllRuns": True,
        },
        {"type": "BAR", "displayName": "value", "metricKey": "value"},
    ]
    shared = {
        "runsCountToCompare": BEST,
        "metricSectionId": study,
        "deleted": False,
        "isGenerated": False,
    }
    return [
        {"uuid": f"{study}-{number}", **chart, **shared}
        for number, chart in enumerate([*lines, *others])
    ]
