"""The verdict on a training: what is wrong, how that is known, and what to try next.

Overfit means that a less fitted model would be better on unseen rows, and that something shows it:
an earlier epoch, a simpler model, or the constant answer. A gap alone shows nothing: a model that
was stopped at its best epoch knows its own rows better than others, and is described so. A better,
more regularised trial of the study is no evidence that can exist: it would have won. Repeats and
learning curves say how much is luck and what more rows would give, not that training went too far.

All rules and their thresholds stand here; `curves` has the figures of a curve of losses.
`python benchmarks/verdicts.py` puts the rules to trainings with a known cause; docs/overfitting.md
has what came out.
"""

from __future__ import annotations

from collections.abc import Iterator

from truefit.core.readable import readable
from truefit.evaluation.curves import LEARNED, noise, raggedness
from truefit.evaluation.evidence import Beside, Evidence, Lead
from truefit.evaluation.finding import Verdict

# A gap is worth a word from this share of what training rows gained over the constant answer.
LOST = 0.10
# A yardstick's lead counts from this share of what the yardstick gained over the constant answer.
TRIFLE = 0.02
# This share of a split's rows may be in training too, beside as many as chance puts there.
SHARED = 0.05
# A single feature that explains as much, with a quarter of the next one's mistakes, is the answer
# and no cause of it (Kaufman et al. 2012 call it leakage; the figures are ours).
REVEALS, NEXT = 0.97, 0.25
# Beyond so many standard errors a validation loss below the training loss is no luck: 1 in 200.
SURELY = 2.58
# Below so many validation rows a percentile interval is too narrow (Hesterberg 2015, section 4.1).
FEW = 30
# A gap that leaves less than a tenth of what training gained leaves nothing.
NOTHING_LEFT = 0.9
# Mean rise of the training loss from epoch to epoch, as a share of all that it ever gained: above
# this the steps overshoot (Smith 2017 finds the largest rate by where the loss becomes ragged).
# Among 100 trainings made for it the others stay below 0.004, and those above begin at 0.03.
RAGGED = 0.02
# Times the constant answer's loss that no first epoch leaves unless its steps overshoot (ours).
EXPLODED = 10.0
# Share of the whole gain that the last fifth of all epochs brought: above this it was not over.
RISING = 0.05
# A kept validation loss lies past its minimum where it is higher by this share of what was gained,
# and by more than so many deviations of its noise from epoch to epoch.
PAST, STEPS = 0.05, 3.0
# How improbable a yardstick's lead must be by chance, for all yardsticks together.
CHANCE = 0.01
# Share of the surest predictions that are wrong: above this labels are wrong (Northcutt et al. 2021
# count such rows). Classes that overlap have such rows too, so two things more are asked: the model
# makes at most LEARNABLE of the constant answer's mistakes, and the surest rows have at least EVEN
# of its share of mistakes. Two normal classes that overlap never have both: where their means are
# 1.5 deviations apart the shares are 0.45 and 0.16, at 1 they are 0.62 and 0.37.
NOISE, LEARNABLE, EVEN = 0.04, 0.5, 0.4
# A loss that an untrained network may have: that of two equal shares, log 2.
UNTRAINED = 0.6931
# Models that are less fitted by their kind: where one is better, less fitting is better.
SIMPLE = ("constant", "linear", "nearest_mean")


def judge(evidence: Evidence) -> Verdict:
    """The first of these that holds: what makes losses meaningless comes before what they say."""
    rules = (
        _suspicious, _unsteady, _few, _unlearned, _past_minimum, _worse_than_constant, _unfinished,
        _beaten, _imbalanced, _noisy, _capped, _too_small,
    )  # fmt: skip
    for rule in rules:
        for found in rule(evidence):
            return found
    return Verdict("good", _praise(evidence), "none")


def _praise(evidence: Evidence) -> str:
    losses, curve = evidence.losses, evidence.curve
    if losses.gap <= 0:
        return f"validation is no worse than training, and better than {losses.naive}"
    text = f"validation loss {losses.validation:.4f}, {losses.naive} {losses.baseline:.4f}"
    if losses.gap_low > 0 and losses.gap > LOST * losses.gained:
        where = f"epoch {curve.kept}, its best" if curve.validation else "its best epoch"
        return (
            f"{text}; stopped at {where}. It knows its own rows better by {losses.gap:.4f}; "
            "nothing shows that a less fitted model would be better on others"
        )
    return f"{text}; the gap is {max(0.0, losses.gap / losses.gained):.0%} of what training gained"


def _suspicious(evidence: Evidence) -> Iterator[Verdict]:
    leaks, losses = evidence.leaks, evidence.losses
    for split, count in leaks.shared.items():
        rows, chance = leaks.rows[split], leaks.by_chance[split]
        if count > SHARED * rows and count > 3 * chance:
            text = f"{count} of {rows} {split} rows stand in the training split too"
            yield Verdict("suspicious", text, "shared rows")
    says_more = 1 - leaks.explained <= NEXT * (1 - leaks.next_best)
    if leaks.revealing and leaks.explained > REVEALS and says_more:
        yield Verdict(
            "suspicious",
            f"{leaks.revealing} alone explains {leaks.explained:.1%} of the target, the next "
            f"best feature {leaks.next_best:.1%}: it may be known only when the answer is",
            "revealing feature",
            leaks.revealing,
        )
    error = (losses.gap_high - losses.gap_low) / (2 * 1.96)
    if losses.rows >= FEW and -losses.gap > max(SURELY * error, LOST * losses.gained):
        yield Verdict(
            "suspicious",
            f"validation is better than training by {-losses.gap:.4f}, and the standard error of "
            f"that is {error:.4f}: the splits are not of one kind",
            "better than training",
        )


def _unsteady(evidence: Evidence) -> Iterator[Verdict]:
    curve = evidence.curve
    if curve.train and curve.train[0] > EXPLODED * max(curve.baseline, UNTRAINED):
        yield Verdict(
            "learning rate too high",
            f"after the first epoch the training loss was {readable(curve.train[0])}; the constant "
            f"answer has {readable(curve.baseline)}",
            "ragged",
        )
    ragged = raggedness(curve)
    if ragged > RAGGED:
        yield Verdict(
            "learning rate too high",
            f"the training loss rises again by {ragged:.1%} of all it gained in a mean epoch"
            if ragged < 1
            else "the training loss goes up and down, and gains little or nothing by it",
            "ragged",
        )


def _few(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.losses.rows < FEW:
        yield Verdict(
            "validation too small",
            f"{evidence.losses.rows} validation rows: with fewer than {FEW} no interval can be "
            "trusted",
            "few rows",
        )


def _unlearned(evidence: Evidence) -> Iterator[Verdict]:
    losses = evidence.losses
    has_learned = losses.gained > LEARNED * abs(losses.baseline)
    if losses.surely_better or has_learned:
        return
    others = [
        one.loss for one in evidence.beside if one.kind != "constant" and one.loss is not None
    ]
    hopeless = bool(others) and min(others) > (1 - TRIFLE) * losses.baseline
    text = (
        f"the validation loss of {losses.validation:.4f} is no better than that of "
        f"{losses.naive}, {losses.baseline:.4f}"
    )
    if (limit := evidence.curve.limit) is not None:  # more time comes before a larger model
        ended = f"`training.time_limit` of {limit:g} s ended it, and"
        yield Verdict("underfit", f"{ended} {text}", "time limit")
        return
    cause = "nothing to learn" if hopeless else "no better than naive"
    yield Verdict("underfit", text, cause)


def _past_minimum(evidence: Evidence) -> Iterator[Verdict]:
    """Weights that were kept although an earlier epoch was better by more than noise."""
    curve = evidence.curve
    if len(curve.validation) < 2 or not 0 < curve.kept <= len(curve.validation):
        return
    best = min(curve.validation)
    kept = curve.validation[curve.kept - 1]
    gained = max(curve.baseline - best, LEARNED * abs(curve.baseline))
    epoch = curve.validation.index(best) + 1
    if epoch < curve.kept and kept - best > max(PAST * gained, STEPS * noise(curve.validation)):
        yield Verdict(
            "overfit",
            f"the validation loss was {best:.4f} after epoch {epoch} and is {kept:.4f} after epoch "
            f"{curve.kept}, which was kept",
            "past the minimum",
        )


def _worse_than_constant(evidence: Evidence) -> Iterator[Verdict]:
    losses = evidence.losses
    lost = losses.gap_low > 0 and losses.gap > NOTHING_LEFT * losses.gained
    no_better = losses.validation >= losses.baseline or (lost and not losses.surely_better)
    if no_better and losses.gained > LEARNED * abs(losses.baseline):
        yield Verdict(
            "overfit",
            f"the training loss came down to {losses.train:.4f}, and the validation loss of "
            f"{losses.validation:.4f} is no better than that of {losses.naive}, "
            f"{losses.baseline:.4f}",
            "worse than naive",
        )


def _unfinished(evidence: Evidence) -> Iterator[Verdict]:
    curve = evidence.curve
    if curve.limit is not None and len(curve.validation) < 2:
        text = f"`training.time_limit` of {curve.limit:g} s ended it within its second epoch"
        yield Verdict("underfit", text, "time limit")
        return
    ended = len(curve.validation) if curve.limit is not None else curve.epochs
    if curve.kept < ended or len(curve.validation) < 2:
        return
    last = max(1, len(curve.validation) // 5)
    gain = curve.validation[-1 - last] - curve.validation[-1]
    whole = curve.baseline - curve.validation[-1]
    if whole <= 0 or gain <= RISING * whole:
        return
    brought = f"the last {last} of {len(curve.validation)} epochs brought {gain / whole:.0%} of all"
    if curve.limit is not None:
        text = f"`training.time_limit` of {curve.limit:g} s ended it while it still learned"
        yield Verdict("underfit", f"{text}: {brought} that validation gained", "time limit")
        return
    yield Verdict("underfit", f"{brought} that validation gained: it was not over", "unfinished")


def _beaten(evidence: Evidence) -> Iterator[Verdict]:
    """What the best yardstick shows: too little learned, too much, or just a better model."""
    losses = evidence.losses
    better = [(lead, one) for one in evidence.beside if (lead := _surest(one, evidence))]
    if not better:
        return
    lead, best = min(better, key=lambda pair: (pair[1].kind not in SIMPLE, pair[0].p))
    text = (
        f"{best.name} is better on the validation rows: {lead.score} by {readable(abs(lead.lead))} "
        f"[{readable(lead.low)}, {readable(lead.high)}]"
    )
    if best.loss is not None and best.loss < losses.train:
        more = f"; its loss there, {best.loss:.4f}, is below the model's on its own rows"
        yield Verdict("underfit", text + more, "beaten", best.kind)
    elif best.kind in SIMPLE and losses.gap_low > 0 and losses.gap > LOST * losses.gained:
        more = f"; so the gap of {losses.gap:.4f} is fitting that does not carry over"
        yield Verdict("overfit", text + more, "simpler is better", best.kind)
    else:
        yield Verdict("beaten", text, "beaten", best.kind)


def _surest(one: Beside, evidence: Evidence) -> Lead | None:
    """The lead that is least likely to be chance, among those that count."""
    allowed = CHANCE / max(1, sum(len(other.leads) for other in evidence.beside))
    least = TRIFLE * max(0.0, evidence.losses.baseline - (one.loss or 0.0))
    # A better headline counts for nothing where the loss is worse by more than chance.
    worse = any(lead.score == "loss" and lead.high < 0 for lead in one.leads)
    counting = [
        lead
        for lead in one.leads
        if lead.p < allowed and (lead.lead > least if lead.score == "loss" else not worse)
    ]
    return min(counting, key=lambda lead: lead.p, default=None)


def _imbalanced(evidence: Evidence) -> Iterator[Verdict]:
    if missed := evidence.missed:
        yield Verdict(
            "imbalanced",
            f"next to none of the {missed.rows} validation rows of {missed.name} is recognised: "
            "the other classes are so common that they win",
            "rare class",
            missed.name,
        )


def _noisy(evidence: Evidence) -> Iterator[Verdict]:
    sure = evidence.sure
    if (
        sure
        and sure.low > NOISE
        and sure.everywhere <= LEARNABLE * sure.constant
        and sure.wrong >= EVEN * sure.everywhere * sure.rows
    ):
        yield Verdict(
            "label noise",
            f"of the {sure.rows} validation rows that are surest, {sure.wrong} are labelled "
            "otherwise: labels are probably wrong",
            "label noise",
        )


def _capped(evidence: Evidence) -> Iterator[Verdict]:
    if cap := evidence.cap:
        yield Verdict(
            "capped target",
            f"{cap.rows} of {cap.of} training targets are {readable(cap.value)}, the end of their "
            f"range; other values occur about {cap.other:g} times: the target was cut off there",
            "capped target",
        )


def _too_small(evidence: Evidence) -> Iterator[Verdict]:
    losses = evidence.losses
    if not losses.surely_better:
        yield Verdict(
            "validation too small",
            f"the validation loss of {losses.validation:.4f} may be no better than that of "
            f"{losses.naive}, {losses.baseline:.4f}: {losses.rows} rows cannot tell",
            "few rows",
        )
