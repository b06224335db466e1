"""Whether classes are unbalanced, and which score of a classifier then says most."""

from __future__ import annotations

from collections.abc import Sequence

MOST = 2.0  # times the rows of the rarest class that the commonest has in balanced classes
RARE = 0.2  # share of the rows below which the second of two classes is rare
WORDS = {"balanced_accuracy": "balanced accuracy", "pr_auc": "average precision"}


def headline(rows: Sequence[int]) -> str:
    """Return the score that a classifier is judged by first, one that no constant answer raises.

    - `accuracy` of balanced classes: the commonest has at most twice the rows of the rarest. Always
      answering it is then right in at most 2 / (classes + 1) of the rows. The ratio of both is the
      usual measure of imbalance (López et al. 2013). At 2 it is above what luck makes of classes
      that are equally frequent, once each has some 30 rows.
    - `pr_auc` (average precision) of two classes, if the second has less than a fifth of the rows,
      which Google's machine learning crash course calls a moderate imbalance. A constant answer
      has that share (Saito & Rehmsmeier 2015).
    - `balanced_accuracy` (the mean recall of the classes) otherwise, also where the first of two
      classes is the rare one, as precision and recall are those of the second. A constant answer
      has 1 / classes (Brodersen et al. 2010).

    Args:
        rows: how many training rows each class has, in the order of the class codes.
    """
    if max(rows) <= MOST * min(rows):
        return "accuracy"
    return "pr_auc" if len(rows) == 2 and rows[1] < RARE * sum(rows) else "balanced_accuracy"


def chance(rows: Sequence[int]) -> float:
    """Return the headline score of a constant answer, on rows with these shares of the classes."""
    found = headline(rows)
    if found == "balanced_accuracy":
        return 1 / len(rows)
    return (rows[1] if found == "pr_auc" else max(rows)) / sum(rows)


def warning(names: Sequence[str], rows: Sequence[int]) -> str:
    """Return the line that says how unbalanced the classes are; empty if they are balanced."""
    score = headline(rows)
    if score == "accuracy":
        return ""
    often, seldom = rows.index(max(rows)), rows.index(min(rows))
    which = ("", "") if len(rows) == 2 else ("commonest ", "rarest ")
    return (
        f'classes are unbalanced: {which[0]}"{names[often]}" {rows[often]:,}, '
        f'{which[1]}"{names[seldom]}" {rows[seldom]:,} of {sum(rows):,} training rows '
        f'({100 * rows[seldom] / sum(rows):.2g} % "{names[seldom]}"): the headline score is '
        f'{WORDS[score]} ({score}), which always answering "{names[often]}" keeps at '
        f"{chance(rows):.2g}"
    )
