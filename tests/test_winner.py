from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truefit.search.slots import Slot, derive_seed
from truefit.search.winner import Candidate, candidates, choose

slots = st.lists(st.tuples(st.floats(0.01, 5), st.floats(-1, 3), st.integers(1, 9)), min_size=1)


@given(slots, st.floats(0, 0.5))
def test_the_winner_is_near_the_best_and_has_the_smallest_gap_there(
    values: list[tuple[float, float, int]], tolerance: float
) -> None:
    """No trial near the best has a smaller gap (below 0 is 0) than the winner, in any order."""
    made = [Candidate(i, *v) for i, v in enumerate(values)]
    winner = choose(made, tolerance)
    best = min(slot.value for slot in made)

    assert winner is not None
    assert winner == choose(reversed(made), tolerance)
    assert winner.value <= best * (1 + tolerance)
    near = [slot for slot in made if slot.value <= best * (1 + tolerance)]
    assert max(winner.gap, 0) == max(min(slot.gap for slot in near), 0)


def test_a_gap_below_zero_is_no_merit() -> None:
    """Of equally good trials that do not overfit the smaller model wins, not the worst fit."""
    made = [Candidate(0, 0.30, -0.02, 10), Candidate(1, 0.30, -0.20, 900)]

    assert choose(made, 0.05) == made[0]


def test_an_underfit_trial_never_wins_by_its_gap() -> None:
    """A tiny gap far from the best loss does not count."""
    made = [Candidate(0, 0.30, 0.10, 10), Candidate(1, 0.69, 0.0, 10)]

    assert choose(made, 0.05) == made[0]


def test_without_a_complete_trial_there_is_no_winner() -> None:
    """Failed trials cannot win."""
    diverged = Slot(0, "diverged", "loss=nan", {}, None, {}, 1.0)
    pruned = Slot(1, "pruned", "", {}, 0.1, {"gap": 0.0, "parameters": 5}, 1.0)

    assert choose(candidates([diverged, pruned]), 0.1) is None


def test_a_trial_that_its_time_limit_ended_can_win() -> None:
    """What it had reached counts; without a result it counts as little as any failure."""
    result = {"gap": 0.0, "parameters": 5, "best_val_loss": 0.2}
    ended = Slot(0, "timed_out", "3 of 40 epochs", {}, 0.2, result, 200.0)
    whole = Slot(1, "complete", "", {}, 0.3, result, 90.0)
    hung = Slot(2, "timed_out", "did not answer", {}, None, {}, 260.0)

    winner = choose(candidates([whole, ended, hung]), 0.1)

    assert winner is not None
    assert winner.slot == 0
    assert [slot.can_win for slot in (ended, whole, hung)] == [True, True, False]
    assert choose(candidates([hung]), 0.1) is None


def test_seeds_differ_by_slot_and_repeat() -> None:
    """No two trainings of a study share a seed."""
    seeds = {derive_seed(0, slot, repeat) for slot in range(200) for repeat in range(3)}

    assert len(seeds) == 600
    assert all(0 <= seed < 2**31 for seed in seeds)
