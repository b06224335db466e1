"""Suggestions and prunings depend on slots alone: not on workers, timing, crashes or resumes."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from truefit.search.samplers import is_stateless, make_pruner, samplers
from truefit.search.space import parse_space
from truefit.search.window import Judge, Outcome, Window

WIDTH, EPOCHS = 4, 6
NUMBERS = {"x": "interval(-1, 1)", "n": "int(interval(1, 4))"}
MIXED = {**NUMBERS, "kind": "choice(a, b)", "m": {"space": "interval(0, 1)", "when": {"kind": "b"}}}
GRID = {"x": "choice(-1.0, 0.0, 1.0)", "n": "range(1, 4)", "kind": "choice(a, b)"}
TPE = {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 3}
MEDIAN = {
    "_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2, "n_warmup_steps": 2,
}  # fmt: skip
HYPERBAND = {
    "_target_": "optuna.pruners.HyperbandPruner", "min_resource": 1, "max_resource": EPOCHS,
}  # fmt: skip
NONE = {"_target_": "optuna.pruners.NopPruner"}
SAMPLERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tpe": (TPE, MIXED),
    "random": ({"_target_": "optuna.samplers.RandomSampler"}, MIXED),
    "cmaes": ({"_target_": "optuna.samplers.CmaEsSampler", "n_startup_trials": 3}, NUMBERS),
    "qmc": ({"_target_": "optuna.samplers.QMCSampler"}, {**NUMBERS, "kind": "choice(a, b)"}),
    "grid": ({"_target_": "optuna.samplers.GridSampler"}, GRID),
    "nsga2": ({"_target_": "optuna.samplers.NSGAIISampler", "population_size": 4}, MIXED),
}


def make_window(sampler: dict[str, Any], rules: dict[str, Any], pruner: dict[str, Any]) -> Window:
    space = parse_space(rules)
    return Window(
        "study", 1, WIDTH, space, samplers(sampler, 7, space),
        make_pruner(pruner),
    )  # fmt: skip


def loss(params: dict[str, Any], epoch: int) -> float:
    """A made-up curve whose end depends on the parameters; some diverge."""
    end = (params["x"] - 0.3) ** 2 + 0.1 * params["n"] + params.get("m", 0)
    return math.nan if params["x"] > 0.95 else end + math.exp(-epoch)


class Training:
    """A training in a simulation: one epoch at a time."""

    def __init__(self, params: dict[str, Any], judge: Judge | None) -> None:
        self.params, self.judge, self.steps = params, judge, list[float]()

    def step(self) -> Outcome | None:
        """Train an epoch; the outcome if it was the last."""
        value = loss(self.params, len(self.steps) + 1)
        if math.isnan(value):
            return Outcome(TrialState.PRUNED, None, self.steps)
        self.steps.append(value)
        notes = self.judge.notes if self.judge else {}
        if self.judge and self.judge.prunes(len(self.steps), value):
            return Outcome(TrialState.PRUNED, None, self.steps, 0.1, self.judge.notes)
        if len(self.steps) == EPOCHS:
            return Outcome(TrialState.COMPLETE, [min(self.steps)], self.steps, -0.1, notes)
        return None


def simulate(
    window: Window, slots: int, workers: int, pick: Any, stored: list[Any] | None = None
) -> list[Any]:
    """Run a study with `pick` deciding which training advances next; gives what each slot did."""
    running: dict[int, Training] = {}
    done: dict[int, tuple[dict[str, Any], Outcome]] = {}
    for number, (params, outcome) in enumerate(stored or []):
        window.put(params)
        window.settle(number, outcome)
        done[number] = (params, outcome)
    while len(done) < slots:
        while len(running) < workers and window.next_slot < slots and window.is_ready:
            number = window.next_slot
            if number == 0:
                params = {key: value for key, value in FIRST.items() if key in window._space}
                window.put(params)
            else:
                params = window.suggest()
            running[number] = Training(params, window.judge(number))
        number = pick(sorted(running))
        if (outcome := running[number].step()) is not None:
            window.settle(number, outcome)
            done[number] = (running.pop(number).params, outcome)
    return [done[number] for number in sorted(done)]


FIRST = {"x": 0.0, "n": 2, "kind": "a"}


@pytest.mark.parametrize("pruner", [NONE, MEDIAN, HYPERBAND], ids=["none", "median", "hyperband"])
@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(workers=st.integers(2, WIDTH), order=st.randoms(use_true_random=False))
def test_a_study_is_the_same_for_any_workers_and_timing(
    name: str, pruner: dict[str, Any], workers: int, order: Any
) -> None:
    """Up to a window's width of workers, in any order of epochs, do what one worker does."""
    alone = simulate(make_window(*SAMPLERS[name], pruner), 16, 1, min)
    together = simulate(make_window(*SAMPLERS[name], pruner), 16, workers, order.choice)

    assert together == alone


@pytest.mark.parametrize("pruner", [NONE, MEDIAN, HYPERBAND], ids=["none", "median", "hyperband"])
@pytest.mark.parametrize("name", ["tpe", "random"])
@pytest.mark.parametrize("kept", [1, 7, 15])
def test_a_resumed_study_goes_on_as_if_it_had_not_stopped(
    name: str, pruner: dict[str, Any], kept: int
) -> None:
    """From the parameters and outcomes of the first slots a stateless sampler goes on the same."""
    whole = simulate(make_window(*SAMPLERS[name], pruner), 16, 2, max)

    resumed = simulate(make_window(*SAMPLERS[name], pruner), 16, 3, min, stored=whole[:kept])

    assert is_stateless(SAMPLERS[name][0])
    assert resumed == whole


class Remembers(optuna.pruners.BasePruner):
    """A pruner that goes by what it saw at its first call, as some of Optuna's do."""

    def __init__(self) -> None:
        self.seen: int | None = None

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        if self.seen is None and trial.last_step:
            self.seen = len(study.get_trials())
        return bool(trial.last_step and trial.last_step > 2 + (self.seen or 0) % 3)


def test_a_pruner_that_remembers_does_not_carry_timing_on() -> None:
    """Each slot is judged by a pruner of its own, whoever came first."""

    def study(workers: int, pick: Any) -> list[Any]:
        space = parse_space(NUMBERS)
        window = Window("study", 1, WIDTH, space, samplers(TPE, 7, space), Remembers())
        return simulate(window, 16, workers, pick)

    assert study(4, max) == study(1, min)


def test_pruning_prunes() -> None:
    """A study with a pruner ends some trials early, one without ends none."""
    pruned = simulate(make_window(*SAMPLERS["tpe"], MEDIAN), 16, 2, min)
    whole = simulate(make_window(*SAMPLERS["tpe"], NONE), 16, 2, min)

    assert 0 < sum(len(outcome.steps) < EPOCHS for _, outcome in pruned) < 16
    assert {len(outcome.steps) for _, outcome in whole} <= {0, EPOCHS}


def test_a_suggestion_learns_from_what_it_may_see() -> None:
    """Another result of slot 0 changes the suggestion of slot W and of none before."""

    def study(first: float) -> list[dict[str, Any]]:
        window = make_window({**TPE, "n_startup_trials": 1}, NUMBERS, NONE)
        window.put({"n": 2, "x": 0.0})
        window.settle(0, Outcome(TrialState.COMPLETE, [first], [first], 5.0 * first))
        params: list[dict[str, Any]] = []
        for slot in range(1, WIDTH + 4):
            params.append(window.suggest())
            value = params[-1]["x"] ** 2
            window.settle(slot, Outcome(TrialState.COMPLETE, [value], [value], -1.0))
        return params

    low, high = study(-10.0), study(10.0)

    assert low[: WIDTH - 1] == high[: WIDTH - 1]
    assert low[WIDTH - 1 :] != high[WIDTH - 1 :]


def test_a_suggestion_waits_for_its_window() -> None:
    """Slot W needs the result of slot 0, whatever else has ended."""
    window = make_window(TPE, NUMBERS, NONE)
    for slot in range(WIDTH):
        assert window.is_ready
        window.suggest()
        if slot:
            window.settle(slot, Outcome(TrialState.COMPLETE, [1.0], [1.0]))

    assert not window.is_ready
    window.settle(0, Outcome(TrialState.FAIL))
    assert window.is_ready


def test_a_conditional_parameter_is_there_when_its_condition_holds() -> None:
    """`m` is suggested exactly for trials whose `kind` is b."""
    done = simulate(make_window(*SAMPLERS["tpe"], NONE), 24, 1, min)

    assert {("m" in params, params["kind"]) for params, _ in done} == {(True, "b"), (False, "a")}


def test_a_grid_visits_every_point_once() -> None:
    """After the configured trial each of the 18 points comes up, none twice."""
    done = simulate(make_window(*SAMPLERS["grid"], NONE), 19, 4, max)
    points = {(p["x"], p["n"], p["kind"]) for p, _ in done[1:]}

    assert len(points) == 18


def test_quasi_random_points_spread() -> None:
    """Eight of Sobol's points meet most eighths of an interval; choices are not all alike."""
    done = simulate(make_window(*SAMPLERS["qmc"], NONE), 9, 1, min)
    eighths = {int((params["x"] + 1) * 4) for params, _ in done[1:]}

    assert len(eighths) >= 6
    assert {params["kind"] for params, _ in done[1:]} == {"a", "b"}


def test_of_means_the_last_one_counts() -> None:
    """A trial whose first fold was lucky is pruned by its mean over more of them."""
    pruner = optuna.pruners.PercentilePruner(33.0, n_startup_trials=1, n_warmup_steps=2)
    past = [
        optuna.trial.create_trial(value=1.0, intermediate_values={1: 1.0, 2: 1.0, 3: 1.0}),
        optuna.trial.create_trial(value=1.1, intermediate_values={1: 1.1, 2: 1.1, 3: 1.1}),
    ]
    means = Judge(pruner, "study", 9, past, means=True)
    values = Judge(pruner, "study", 9, past)

    assert [means.prunes(step, value) for step, value in ((1, 0.5), (2, 1.3))] == [False, True]
    assert [values.prunes(step, value) for step, value in ((1, 0.5), (2, 1.3))] == [False, False]


def test_a_grid_may_have_steps_of_floats() -> None:
    """Each point is suggested once, and is one that Optuna's storage takes."""
    rules = {"x": {"low": 0.1, "high": 0.3, "step": 0.1}, "y": "range(0, 0.4, 0.1)"}
    window = make_window({"_target_": "optuna.samplers.GridSampler"}, rules, NONE)
    seen = []
    for slot in range(12):
        seen.append(params := window.suggest())
        optuna.trial.create_trial(
            state=TrialState.RUNNING, params=params, distributions=window.distributions(params)
        )
        window.settle(slot, Outcome(TrialState.COMPLETE, [1.0]))

    assert {(p["x"], p["y"]) for p in seen} == {
        (x, y) for x in (0.1, 0.2, 0.3) for y in (0.0, 0.1, 0.2, 0.3)
    }
