"""What dataset.json says of the prepared data: one record, read and written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from truefit.core.files import read_record, write_json
from truefit.core.prepared.coding import Coding, Words, is_words
from truefit.core.prepared.findings import DataReport, read_report
from truefit.core.trees import fields_of

FILE = "dataset.json"
Kind = Literal["classes", "number", "labels", "input", "next"]


class TargetJSON(TypedDict):
    """`Target` as dataset.json has it: with the keys of its kind alone."""

    name: str
    kind: Kind
    classes: NotRequired[list[str]]
    labels: NotRequired[list[str]]
    mean: NotRequired[float]
    scale: NotRequired[float]


class MomentsJSON(TypedDict):
    """`Moments` as dataset.json has it; only images have `white`."""

    mean: list[float]
    variance: list[float]
    white: NotRequired[float | None]


class SplitJSON(TypedDict):
    """`SplitFacts` as dataset.json has it."""

    rows: int
    digest: str
    classes: NotRequired[dict[str, int]]
    unseen: NotRequired[dict[str, int]]
    source: NotRequired[str | None]


class FactsJSON(TypedDict):
    """`Facts` as dataset.json has it: what tasks and augmentations are told."""

    input_shape: list[int]
    dtype: str
    target: TargetJSON
    splits: dict[str, SplitJSON]
    digest: str
    features: list[str] | None
    columns: list[Coding] | None
    sizes: list[int]
    statistics: MomentsJSON | None
    normalize: bool
    stratified: bool
    grouped: bool
    in_order: bool
    raw: dict[str, str]
    tables: dict[str, list[str]]
    report: dict[str, object]


@dataclass(frozen=True)
class Target:
    """What is predicted.

    `classes` are the names of the codes 0, 1, ...; `labels` those of the 0/1 columns; `mean` and
    `scale` (standard deviation) are those of a number in the training rows, in its own unit.
    """

    name: str
    kind: Kind
    classes: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    mean: float = 0.0
    scale: float = 1.0

    def to_json(self) -> TargetJSON:
        """The keys that a target of this kind has."""
        found: TargetJSON = {"name": self.name, "kind": self.kind}
        if self.classes:
            found["classes"] = self.classes
        if self.labels:
            found["labels"] = self.labels
        if self.kind == "number":
            found["mean"], found["scale"] = self.mean, self.scale
        return found


@dataclass(frozen=True)
class Moments:
    """Mean and variance of the training rows, one number per feature or channel.

    `white` is what a white pixel of images is, `None` where they have negative or larger values.
    """

    mean: list[float]
    variance: list[float]
    white: float | None = None

    def to_json(self, *, of_images: bool) -> MomentsJSON:
        """The keys that the moments of such rows have; only images have a white pixel."""
        found: MomentsJSON = {"mean": [*self.mean], "variance": [*self.variance]}
        if of_images:
            found["white"] = self.white
        return found


@dataclass(frozen=True)
class SplitFacts:
    """Rows of one split.

    `digest` is the SHA-256 of its arrays; `classes` counts the rows of each class, `unseen` those
    with a code of no training row, by column. `source` is the SHA-256 of a table's test rows
    before they were coded.
    """

    rows: int
    digest: str
    classes: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)
    source: str | None = None

    def to_json(self) -> SplitJSON:
        """The keys that the split has; `source` is added to the test split's."""
        found: SplitJSON = {"rows": self.rows, "digest": self.digest}
        if self.classes:
            found["classes"] = self.classes
        if self.unseen:
            found["unseen"] = self.unseen
        return found


@dataclass(frozen=True)
class Facts(Mapping[str, Any]):
    """What dataset.json says.

    It is a mapping too, of the file's plain values: own scorings may read `facts["target"]`.

    Args:
        input_shape: of one row, as a model takes it.
        dtype: of the rows, by numpy's name.
        target: what is predicted.
        splits: train, validation and test.
        digest: SHA-256 over the digests of the splits.
        features: names of the features; `None` where they have none.
        columns: how each column of a table is coded; `None` for arrays.
        sizes: distinct codes of each column that is looked up; none for features.
        statistics: of the training rows; `None` where nothing is to be standardised.
        normalize: whether the model standardises its inputs.
        stratified: whether each split got its share of each class.
        grouped: whether groups were kept whole.
        in_order: whether each row, from training to test, is later than the one before.
        raw: SHA-256 of each raw file, by its path.
        tables: names of the features of each feature table, by column.
        report: what was noticed.
    """

    input_shape: list[int]
    dtype: str
    target: Target
    splits: dict[str, SplitFacts]
    digest: str
    features: list[str] | None = None
    columns: list[Coding] | None = None
    sizes: list[int] = field(default_factory=list)
    statistics: Moments | None = None
    normalize: bool = True
    stratified: bool = False
    grouped: bool = False
    in_order: bool = False
    raw: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)
    report: DataReport = field(default_factory=lambda: DataReport({}, {}, []))

    @classmethod
    def read(cls, folder: Path) -> Facts:
        """What dataset.json in `folder` says, also where an earlier version wrote it.

        Raises:
            UserError: it is not there, or holds something else.
        """
        return read_record(folder / FILE, cls.from_json)

    def write(self, folder: Path) -> None:
        """Make dataset.json in `folder`."""
        write_json(folder / FILE, self.to_json())

    @property
    def text(self) -> Words | None:
        """How the rows' text is coded, if they have one."""
        return next((column for column in self.columns or [] if is_words(column)), None)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Facts:
        """The record of plain values; keys that an earlier version did not write have defaults."""
        moments = tree.get("statistics")
        later = {
            "sizes": tree.get("sizes") or [],
            "tables": tree.get("tables") or {},
            "raw": tree.get("raw") or {},
            "statistics": Moments(**moments) if moments else None,
            "target": Target(**tree["target"]),
            "splits": {name: SplitFacts(**split) for name, split in tree["splits"].items()},
            "report": read_report(tree),
        }
        return cls(**fields_of(cls, tree) | later)

    def moments(self) -> Moments:
        """The statistics.

        Raises:
            ValueError: the rows are codes or waves, which have none.
        """
        if self.statistics is None:
            raise ValueError("expected rows of numbers, received codes or waves: no mean is known")
        return self.statistics

    def to_json(self) -> FactsJSON:
        """Plain values, as they stand in dataset.json."""
        moments, of_images = self.statistics, len(self.input_shape) == 3
        splits = {name: split.to_json() for name, split in self.splits.items()}
        if "test" in splits:
            splits["test"]["source"] = self.splits["test"].source
        return {
            "input_shape": self.input_shape,
            "dtype": self.dtype,
            "target": self.target.to_json(),
            "splits": splits,
            "digest": self.digest,
            "features": self.features,
            "columns": self.columns,
            "sizes": self.sizes,
            "statistics": moments.to_json(of_images=of_images) if moments else None,
            "normalize": self.normalize,
            "stratified": self.stratified,
            "grouped": self.grouped,
            "in_order": self.in_order,
            "raw": self.raw,
            "tables": self.tables,
            "report": self.report.as_json(),
        }

    def __getitem__(self, key: str) -> Any:
        values: Mapping[str, Any] = self.to_json()
        return values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))

    def __len__(self) -> int:
        return len(vars(self))
