"""What a search says on screen once it has ended: who won, what decided, and who is as good."""

from __future__ import annotations

from dataclasses import replace

import pytest
from results import result_of

from truefit.core.endings import State
from truefit.search import finalists
from truefit.search.conclusion import conclude
from truefit.search.finalists import summarise
from truefit.search.slots import Slot
from truefit.search.winner import candidates, choose

TOLERANCE = 0.05


def slot(
    number: int, value: float, gap: float = 0.1, size: int = 10, state: State = "complete"
) -> Slot:
    """A trial with this validation loss; the constant answer has 1."""
    result = result_of(value, gap, parameters=size, constant_loss=1.0)
    return Slot(number, state, "", {"model.depth": number}, value, result, 1.0)


def said(*slots: Slot, ended: str = "n_trials") -> list[str]:
    """The lines about a search without finalists."""
    choice = choose(candidates(slots), TOLERANCE)
    assert choice is not None
    return conclude([*slots], choice, [], ended, TOLERANCE).splitlines()


def test_the_lowest_value_wins() -> None:
    """The winner is named with its place, its parameters and its numbers."""
    assert said(slot(0, 0.5), slot(1, 0.2)) == [
        "winner: slot 1 of 2: depth=1",
        "  value 0.2000, gap +0.1000; lowest value",
    ]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (slot(1, 0.21, gap=0.05), "smaller gap"),
        (slot(1, 0.21, size=5), "fewer parameters"),
    ],
)
def test_what_decides_between_equals_is_said(other: Slot, reason: str) -> None:
    """With the lowest value that it did not have, and how far it may be above that."""
    lines = said(slot(0, 0.2), other)

    assert lines[1] == (
        "  value 0.2100, gap "
        f"{other.gap:+.4f}; best 0.2000 was slot 0, within 5.0% of the gain over the constant "
        f"answer; {reason}"
    )


def test_of_the_same_value_none_is_the_best() -> None:
    """The other one is named as as low."""
    assert said(slot(0, 0.2), slot(1, 0.2, gap=0.05))[1].endswith("as low as slot 0; smaller gap")


def test_a_budget_and_a_time_limit_that_ended_something_are_said() -> None:
    """A study that a budget ended is not whole; trainings that a limit ended may not repeat."""
    late = slot(1, 0.4, state="timed_out")

    lines = said(slot(0, 0.2), late, ended="time_limit")

    assert lines[0] == "winner: slot 0 of 2, ended by search.time_limit: depth=0"
    assert lines[2].startswith("  1 of 2 trials were ended by training.time_limit: another machine")


def test_finalists_that_are_as_good_within_chance_are_named() -> None:
    """With the p of a paired test, beside the mean and the interval that decided."""
    values = {0: (0.20, 0.22, 0.21), 1: (0.21, 0.20, 0.23), 2: (0.50, 0.53, 0.51)}
    slots = [slot(number, found[0]) for number, found in values.items()]
    done = {
        (number, repeat): replace(slots[number], value=value, result=result_of(value))
        for number, found in values.items()
        for repeat, value in enumerate(found, start=1)
    }
    best = summarise(done)
    choice = choose(finalists.candidates(best), TOLERANCE)
    assert choice is not None

    lines = conclude(slots, choice, best, "n_trials", TOLERANCE).splitlines()

    (p,) = [one.p for one in finalists.compare(best, 0) if one.slot == 1]
    assert lines[1].startswith(
        "  mean over 3 seeds 0.2100 [0.1852, 0.2348], gap +0.0100; its first"
    )
    assert lines[-1] == f"  slot 1 (p {p:.2f}) is as good within chance"
