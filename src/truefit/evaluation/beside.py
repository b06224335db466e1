"""The model and its yardsticks on the same rows: scores, and paired differences with intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.prepared.mapped import read
from truefit.evaluation.evidence import Beside, Lead
from truefit.evaluation.intervals import bootstrap, or_none
from truefit.evaluation.metrics import LeadScores, Scores, YardstickScores
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.scoring import Scoring
from truefit.evaluation.yardsticks.yardstick import HELD_OUT, Yardstick

if TYPE_CHECKING:
    from truefit.config.schema import Evaluation

ROWS = 20_000  # of a split on which model and yardsticks are compared; of more, these are drawn


@dataclass(frozen=True)
class Compared:
    """A yardstick's scores and leads over the model, by split and score."""

    yardstick: Yardstick
    scores: dict[str, Scores]
    leads: dict[str, dict[str, Lead]]
    losses: dict[str, np.ndarray]  # resampled losses, where it has any
    own: dict[str, np.ndarray]  # the model's on the same resamples

    def beside(self, headline: str) -> Beside:
        """What a verdict looks at: the validation rows, by the loss and by the headline score."""
        leads, loss = self.leads["validation"], self.scores["validation"].get("loss")
        deciding = tuple(leads[name] for name in dict.fromkeys(("loss", headline)) if name in leads)
        return Beside(self.yardstick.name, self.yardstick.kind, loss, deciding)

    def as_json(self) -> YardstickScores:
        """What metrics.json says of it."""
        leads: dict[str, dict[str, LeadScores]] = {
            split: {
                name: {"lead": lead.lead, "low": lead.low, "high": lead.high, "p": lead.p}
                for name, lead in by_score.items()
            }
            for split, by_score in self.leads.items()
        }
        one = self.yardstick
        return {
            "name": one.name,
            "kind": one.kind,
            "rows": one.rows,
            "scores": self.scores,
            "leads": leads,
        }


def compare(
    scoring: Scoring,
    cases: dict[str, Case],
    yardsticks: list[Yardstick],
    settings: Evaluation,
    seed: int,
) -> list[Compared]:
    """Each yardstick beside the model on the validation and test rows.

    Both are scored on the same resamples of the rows, so that what is hard for both cancels out
    (Efron & Tibshirani 1993, ch. 16).

    Args:
        scoring: how the task's predictions are scored.
        cases: the model's predictions by split.
        yardsticks: theirs.
        settings: `n_resamples` and `confidence_level`.
        seed: of the resamples, and of the rows that are drawn.
    """
    if not yardsticks:
        return []
    drawn = {name: _drawn(len(cases[name].y), seed) for name in HELD_OUT}
    thin = {name: _thinned(cases[name], drawn[name]) for name in HELD_OUT}
    model = {name: bootstrap(scoring, thin[name], settings, seed) for name in HELD_OUT}
    found = []
    for one in yardsticks:
        theirs = {
            name: bootstrap(
                scoring,
                replace(thin[name], prediction=_rows(one.predictions[name], drawn[name])),
                settings,
                seed,
            )
            for name in HELD_OUT
        }
        scores = {name: _scores(scoring, cases[name], one, name) for name in HELD_OUT}
        found.append(_compared(scoring, one, model, theirs, scores, settings["confidence_level"]))
    return found


def _scores(scoring: Scoring, case: Case, one: Yardstick, split: str) -> Scores:
    """The yardstick's scores on all rows, as the model's are shown."""
    theirs = replace(case, prediction=one.predictions[split])
    found = scoring.scores(theirs, np.ones((1, len(case.y))))
    return {name: or_none(values[0]) for name, values in found.items()}


def _compared(
    scoring: Scoring,
    one: Yardstick,
    model: dict[str, dict[str, np.ndarray]],
    theirs: dict[str, dict[str, np.ndarray]],
    scores: dict[str, Scores],
    confidence: float,
) -> Compared:
    leads = {
        split: {
            name: lead
            for name, values in by_score.items()
            if not scoring.why_not_compared(name)
            and (lead := _lead(scoring, name, model[split][name], values, confidence))
        }
        for split, by_score in theirs.items()
    }
    losses = {split: by_score["loss"] for split, by_score in theirs.items() if "loss" in by_score}
    own = {split: by_score["loss"] for split, by_score in model.items() if "loss" in by_score}
    return Compared(one, scores, leads, losses, own)


def _lead(
    scoring: Scoring, name: str, model: np.ndarray, theirs: np.ndarray, confidence: float
) -> Lead | None:
    """By how much the yardstick is better, from pairs of equal resamples; `None` if undefined."""
    from scipy.stats import norm  # noqa: PLC0415 - `truefit show` reads scores without it

    lead = (theirs - model) if scoring.is_rising(name) else (model - theirs)
    usable = lead[1:][np.isfinite(lead[1:])]
    if not np.isfinite(lead[0]) or not len(usable):
        return None
    error = float(usable.std())
    tail = (1 - confidence) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    p = float(norm.sf(lead[0] / error)) if error else float(lead[0] <= 0)
    return Lead(name, float(lead[0]), float(low), float(high), p)


def _drawn(rows: int, seed: int) -> np.ndarray | None:
    if rows <= ROWS:
        return None
    return np.sort(np.random.default_rng([seed, 0xC0B]).permutation(rows)[:ROWS])


def _thinned(case: Case, drawn: np.ndarray | None) -> Case:
    if drawn is None:
        return case
    x, y = read(case.x, drawn), read(case.y, drawn)
    return replace(case, x=x, y=y, prediction=case.prediction[drawn])


def _rows(prediction: np.ndarray, drawn: np.ndarray | None) -> np.ndarray:
    return prediction if drawn is None else prediction[drawn]
