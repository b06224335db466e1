"""What MLflow and its UI can hold of an event's values; what they cannot is named in a note."""

from __future__ import annotations

import math
import posixpath
import re
from dataclasses import dataclass, field
from itertools import chain, count

from truefit.tracking.events import Metrics, Params
from truefit.tracking.redaction import redact

LONGEST = 5000  # characters of a tag or parameter; MLflow cuts parameters at 6,000, tags at 8,000
MOST_KEYS = 1000  # metrics, and parameters, of one run: the UI makes a column of each

Point = tuple[str, float, int, int]  # key, value, milliseconds, step


@dataclass
class Fitted:
    """What one run was sent, so that the limits hold over all of its events."""

    keys: dict[str, dict[str, str]] = field(default_factory=lambda: {"metric": {}, "param": {}})
    left_out: dict[str, set[str]] = field(default_factory=lambda: {"metric": set(), "param": set()})
    not_finite: dict[str, str] = field(default_factory=dict)
    shortened: dict[str, int] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)

    def points(self, metrics: Metrics, time: int, step: int) -> list[Point]:
        """Finite numbers under names that MLflow takes; it stores infinity as 1.8e308."""
        found = []
        for name, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            key = self._key("metric", name)
            if key is None:
                continue
            if math.isfinite(value):
                found.append((key, float(value), time, step))
            else:
                self.not_finite.setdefault(key, f"{value} at step {step}")
        return found

    def params(self, params: Params) -> dict[str, str]:
        """Texts that are short enough under names that MLflow takes."""
        named = {self._key("param", name): self.text(name, value) for name, value in params.items()}
        return {key: text for key, text in named.items() if key is not None}

    def text(self, name: str, value: object) -> str:
        """A value as text without passwords, cut where it is too long."""
        text = redact(str(value))
        if len(text) <= LONGEST:
            return text
        self.shortened[name] = len(text)
        return text[: LONGEST - 4] + " ..."

    def note(self) -> str:
        """What MLflow does not show as it was, for the tag `truefit.notes`; empty if nothing."""
        said = []
        if self.not_finite:
            said.append("not finite, not drawn: " + _list(self.not_finite, ", first "))
        if self.shortened:
            lengths = {key: f"{length} characters" for key, length in self.shortened.items()}
            said.append("shortened: " + _list(lengths, " of "))
        if self.renamed:
            said.append("renamed: " + _list(self.renamed, " to "))
        for kind, names in self.left_out.items():
            if names:
                said.append(f"{len(names)} {kind}s beyond the first {MOST_KEYS} left out")
        return "; ".join(said) + "; the journal has all" if said else ""

    def _key(self, kind: str, name: str) -> str | None:
        keys = self.keys[kind]
        if name in keys:
            return keys[name]
        if len(keys) >= MOST_KEYS:
            self.left_out[kind].add(name)
            return None
        usable = posixpath.normpath(re.sub(r"[^\w .:/-]", "_", name)[:240]).lstrip("./") or "_"
        taken = set(keys.values())
        numbered = (f"{usable}_{number}" for number in count(len(keys)))
        key = next(one for one in chain([usable], numbered) if one not in taken)
        if key != name:
            self.renamed[name[:100]] = key[:100]
        keys[name] = key
        return key


def _list(found: dict[str, str], between: str) -> str:
    shown = [f"{key}{between}{value}" for key, value in list(found.items())[:5]]
    return ", ".join(shown) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
