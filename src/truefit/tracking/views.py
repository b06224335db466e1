"""Links that open a study in MLflow's UI: its table, its charts, and its ten best side by side.

The UI has no address for columns and charts. It takes them from a view that somebody shared, which
is a tag of the experiment; so each study shares one.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

from truefit.config import Tree

BEST = 10
METRICS = ("value", "best_val_loss", "gap", "best_epoch")
CURVES = ("val_loss", "loss")


def share(store: Any, experiment: str, study: str, parent: str, params: list[str]) -> None:
    """Share the view of a study: its trials from the best to the worst, curves of the ten best."""
    now = int(time.time() * 1000)
    state = json.dumps(_state(study, parent, params))
    view = json.dumps({"name": study, "createdAt": now, "updatedAt": now, "state": state})
    store.client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{study}", view)


def ten_best(store: Any, experiment: str, parent: str) -> list[str]:
    """Ids of the runs of a study's best trials, the best first."""
    condition = f"{_trials_of(parent)} and attributes.status = 'FINISHED'"
    order = ["metrics.value ASC"]
    found = store.client.search_runs([experiment], condition, max_results=BEST, order_by=order)
    return [run.info.run_id for run in found]


def links(server: str, experiment: str, study: str, best: list[str]) -> Tree:
    """Addresses by what they show.

    The shared view is taken only where no other parameter of a search stands beside it.
    """
    table = f"{server}/#/experiments/{experiment}/runs?viewStateShareKey={quote(study)}"
    table += "&workflowType=machine_learning"
    found = {"table": table, "charts": f"{table}&compareRunsMode=CHART"}
    if len(best) > 1:
        runs, experiments = _packed(best), _packed([experiment])
        found["ten best"] = f"{server}/#/compare-runs?runs={runs}&experiments={experiments}"
    return found


def _packed(value: list[str]) -> str:
    return quote(json.dumps(value, separators=(",", ":")))


def _trials_of(parent: str) -> str:
    return f"tags.`mlflow.parentRunId` = '{parent}' and tags.`truefit.kind` = 'trial'"


def _state(study: str, parent: str, params: list[str]) -> Tree:
    columns = [f"metrics.`{name}`" for name in METRICS] + [f"params.`{name}`" for name in params]
    name = "attributes.`Run Name`"
    return {
        "searchFilter": _trials_of(parent),
        "orderByKey": "metrics.`value`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": ["1", name, *columns, "runDateAndNestInfo", "duration"],
        "columnWidths": {name: 260},
        "runsHiddenMode": f"FIRST_{BEST}_RUNS",
        "groupBy": None,
        "hideEmptyCharts": True,
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
    }


def _charts(study: str, params: list[str]) -> list[Tree]:
    lines = [
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
    others: list[Tree] = [
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
