"""How a column is coded, as dataset.json has it: one record for each kind of column."""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict, TypeGuard


class Number(TypedDict):
    """One feature, and with `indicator` a second one that says "was missing"."""

    name: str
    kind: Literal["number"]
    fill: float  # what stands for a missing value: the median of the training rows
    indicator: bool
    missing: NotRequired[int]  # training rows without a value


class Category(TypedDict):
    """One feature for each level, and one for all others: rare, missing, unseen."""

    name: str
    kind: Literal["category"]
    levels: list[str]
    missing: NotRequired[int]  # training rows without a value
    rare: NotRequired[int]  # levels of the training rows that have no feature of their own


class Code(TypedDict):
    """Whole numbers that a model looks up: 1, 2, ... for `levels`, 0 for any other."""

    name: str
    kind: Literal["code"]
    levels: list[str]
    trained: int  # so many of the first levels have training rows


class Words(TypedDict):
    """The first words or characters of a text: 2, 3, ... for `levels`, 1 for others, 0 pads."""

    name: str
    kind: Literal["text", "characters"]
    levels: list[str]
    length: int


class Dropped(TypedDict):
    """A column that the model does not see, and why."""

    name: str
    kind: Literal["drop"]
    why: str


Coding: TypeAlias = Number | Category | Code | Words | Dropped
LookedUp: TypeAlias = Code | Words


def is_words(column: Coding) -> TypeGuard[Words]:
    """Whether it is a text of words or of characters."""
    return column["kind"] in ("text", "characters")


def is_looked_up(column: Coding) -> TypeGuard[LookedUp]:
    """Whether a model looks its whole numbers up in an embedding."""
    return column["kind"] == "code" or is_words(column)
