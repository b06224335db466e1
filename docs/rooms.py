"""Draws rooms.svg: which room of src/truefit imports from which, read from the code.

python docs/rooms.py
"""

from __future__ import annotations

import functools
from pathlib import Path

from truefit.core.files import write_text
from truefit.core.reached import PACKAGE, imports

WIDTH, HEIGHT, ACROSS, DOWN = 132, 34, 176, 76  # of a room, and from one to the next, in pixels
COLUMN = {"serving": 0, "evaluation": 0, "stages": 2, "datasets": 2, "models": 2}  # others: 1
STYLE = (
    "text{font:14px system-ui,sans-serif;text-anchor:middle;fill:#1f2933}"
    "rect{fill:#eef3f8;stroke:#5b7083}path{fill:none;stroke:#5b7083}"
)


def arrows() -> set[tuple[str, str]]:
    """Every pair of a room and one that it imports from."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        others = {name.partition(".")[0] for name in imports(file)} - {room}
        found |= {(room, other) for other in others if room != "__init__"}
    return found


def picture() -> str:
    """The drawing. Where a path of other arrows says the same, an arrow is left out."""
    below: dict[str, set[str]] = {room: set() for pair in arrows() for room in pair}
    for room, other in arrows():
        below[room].add(other)

    @functools.cache
    def reach(room: str) -> frozenset[str]:
        return frozenset(below[room]).union(*(reach(other) for other in below[room]))

    @functools.cache
    def row(room: str) -> int:
        return 1 + max((row(other) for other in below if room in below[other]), default=-1)

    direct = [
        (room, other)
        for room in sorted(below)
        for other in sorted(below[room])
        if not any(other in reach(between) for between in below[room])
    ]
    last = max(map(row, below))
    rows = {room: row(room) for room in below} | {"models": last}  # which nobody imports
    at = {
        room: ((COLUMN.get(room, 1) * 2 + 1) * ACROSS // 2, number * DOWN + HEIGHT)
        for room, number in sorted(rows.items())
    }
    drawn = [_arrow(at[room], at[other]) for room, other in direct]
    drawn += [_box(room, *place) for room, place in at.items()]
    width, height = 3 * ACROSS, last * DOWN + 2 * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}"><title>Rooms of src/truefit</title>'
        f"<style>{STYLE}</style>{_HEAD}\n" + "\n".join(drawn) + "\n</svg>\n"
    )


_HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0,0 L8,4 L0,8"/></marker></defs>'
)


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x, y), (u, v) = start, end
    y, v = y + HEIGHT // 2, v - HEIGHT // 2
    bend = v - DOWN + HEIGHT  # straight down to the row above, then to the side
    path = f"M{x},{y} V{bend} C{x},{v - 10} {u},{bend + 10} {u},{v}"
    return f'<path d="{path}" marker-end="url(#head)"/>'


def _box(room: str, x: int, y: int) -> str:
    left, top = x - WIDTH // 2, y - HEIGHT // 2
    return (
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{x}" y="{y + 5}">{room}</text>'
    )


if __name__ == "__main__":
    write_text(Path(__file__).with_name("rooms.svg"), picture())
