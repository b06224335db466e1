from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import result_of

from truefit.core.study import Finalist
from truefit.search.conclusion import keep
from truefit.search.finalists import compare
from truefit.search.slots import Slot
from truefit.search.winner import Candidate, Choice, by_value, candidates, choose
from truefit.training.seeds import finalist_seed, training_seed

CONSTANT = 6.0
made = st.lists(st.tuples(st.floats(0.01, 5), st.floats(-1, 3), st.integers(1, 9)), min_size=1).map(
    lambda rows: [Candidate(slot, *row, CONSTANT) for slot, row in enumerate(rows)]
)


def chosen(among: list[Candidate], tolerance: float) -> Choice:
    choice = choose(among, tolerance)
    assert choice is not None
    return choice


@given(made, st.floats(0, 0.2))
def test_the_winner_is_near_the_lowest_value_and_has_the_smallest_gap_there(
    among: list[Candidate], tolerance: float
) -> None:
    """No trial within the margin has a smaller gap (below 0 is 0) than the winner, in any order."""
    choice = chosen(among, tolerance)
    lowest = min(one.value for one in among)
    margin = tolerance * (CONSTANT - lowest)

    assert choice == choose(reversed(among), tolerance)
    assert choice.lowest.value == lowest
    assert choice.winner.value <= lowest + margin
    near = [one for one in among if one.value <= lowest + margin]
    assert max(choice.winner.gap, 0) == max(min(one.gap for one in near), 0)


@given(made)
def test_without_a_margin_the_lowest_value_wins_whatever_its_gap(among: list[Candidate]) -> None:
    """No tolerance, no constant answer, or none that is beaten: nothing is traded for a gap."""
    lowest = min(one.value for one in among)
    unknown = [Candidate(o.slot, o.value, o.gap, o.parameters, None) for o in among]
    beyond = [Candidate(o.slot, o.value, o.gap, o.parameters, lowest - 1) for o in among]

    assert chosen(among, 0.0).winner.value == lowest
    assert chosen(unknown, 0.2).winner.value == lowest
    assert chosen(beyond, 0.2).winner.value == lowest


@given(made, st.floats(0.1, 100))
def test_the_margin_is_in_units_of_what_can_be_learned(among: list[Candidate], unit: float) -> None:
    """The same trials with losses in another unit, and moved by a constant, have the same winner.

    A share of the loss itself has not: 3 % of a large loss is much, of a small one nothing.
    """
    scaled = [
        Candidate(o.slot, 1000 + unit * o.value, unit * o.gap, o.parameters, 1000 + unit * CONSTANT)
        for o in among
    ]
    same, other = chosen(among, 0.05), chosen(scaled, 0.05)

    if same.winner.slot != other.winner.slot:  # rounding at the very edge of the margin
        edge = same.lowest.value + same.margin
        values = [one.value for one in among]
        assert min(abs(value - edge) for value in values) < 1e-9


def test_a_gap_below_zero_is_no_merit() -> None:
    """The smaller model wins among equally good trials that do not overfit, not the worst fit."""
    among = [Candidate(0, 0.30, -0.02, 10, 1.0), Candidate(1, 0.30, -0.20, 900, 1.0)]
    choice = chosen(among, 0.05)

    assert choice.winner == among[0]
    assert choice.reason == "lowest value"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Candidate(1, 0.305, 0.01, 90, 1.0), "smaller gap"),
        (Candidate(1, 0.305, 0.10, 9, 1.0), "fewer parameters"),
        (Candidate(1, 0.305, 0.10, 90, 1.0), "lowest value"),
        (Candidate(1, 0.320, 0.00, 9, 1.0), "lowest value"),  # beyond 1 % of the gain
    ],
)
def test_what_decided_is_named(other: Candidate, reason: str) -> None:
    """Between equals the gap decides, then the parameters; far from the best nothing does."""
    assert chosen([Candidate(0, 0.30, 0.10, 10, 1.0), other], 0.01).reason == reason


def test_finalists_are_the_best_by_value_alone() -> None:
    """A small gap brings no trial before one with a lower value."""
    among = [Candidate(0, 0.31, 0.0, 1, 1.0), Candidate(1, 0.30, 0.9, 9, 1.0)]

    assert [one.slot for one in by_value(among)] == [1, 0]


def test_without_a_complete_trial_there_is_no_winner() -> None:
    """Failed trials cannot win."""
    diverged = Slot(0, "diverged", "loss=nan", {}, None, None, 1.0)
    pruned = Slot(1, "pruned", "", {}, 0.1, result_of(0.1), 1.0)

    assert choose(candidates([diverged, pruned]), 0.1) is None


def test_the_best_of_the_winners_trainings_is_made_again() -> None:
    """Trial and finalists alike: the seed is that of the lowest value, and the trial's at a tie."""
    slot = Slot(4, "complete", "", {}, 0.30, result_of(0.30), 1.0)

    def finalist(values: list[float]) -> Finalist:
        return Finalist(4, values, values, [0.0] * 3, 0.3, 0.0, 0.3, 0.3, 0.3, 0.0, 10, 1.0)

    assert keep(7, slot, None).seed == training_seed(7, 4)
    assert keep(7, slot, finalist([0.31, 0.29, 0.33])).seed == finalist_seed(7, 2)
    assert keep(7, slot, finalist([0.30, 0.31, 0.32])).repeat == 0


def test_finalists_that_differ_by_a_constant_are_compared_without_a_test() -> None:
    """Pairs without any spread give their difference, and no warning."""
    one = Finalist(0, [0.1, 0.2], [0.1, 0.2], [0, 0], 0.15, 0.1, 0.15, 0, 0.3, 0.0, 1, 1.0)
    other = Finalist(1, [0.2, 0.3], [0.2, 0.3], [0, 0], 0.25, 0.1, 0.25, 0, 0.4, 0.0, 1, 1.0)
    (same,) = compare([one, Finalist(**{**vars(one), "slot": 2})], 0)
    (found,) = compare([one, other], 0)

    assert (same.difference, same.p) == (0.0, 1.0)
    assert found.difference == pytest.approx(0.1)


def test_a_trial_that_its_time_limit_ended_can_win() -> None:
    """What it had reached counts; without a result it counts as little as any failure."""
    result = result_of(0.2)
    ended = Slot(0, "timed_out", "3 of 40 epochs", {}, 0.2, result, 200.0)
    whole = Slot(1, "complete", "", {}, 0.3, result, 90.0)
    hung = Slot(2, "timed_out", "did not answer", {}, None, None, 260.0)

    choice = choose(candidates([whole, ended, hung]), 0.1)

    assert choice is not None
    assert choice.winner.slot == 0
    assert [slot.can_win for slot in (ended, whole, hung)] == [True, True, False]
    assert choose(candidates([hung]), 0.1) is None


def test_seeds_differ_by_slot_and_repeat() -> None:
    """No two trainings of a study share a seed."""
    seeds = {training_seed(0, slot, repeat) for slot in range(200) for repeat in range(3)}

    assert len(seeds) == 600
    assert all(0 <= seed < 2**31 for seed in seeds)
