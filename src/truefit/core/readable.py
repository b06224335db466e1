"""Numbers as a person reads them."""

from __future__ import annotations

import math

NONE = "–"  # noqa: RUF001 - a dash as print sets it
SMALLEST, LARGEST = 1e-4, 1e7  # between them no number has an exponent


def readable(value: float | None, sign: str = "") -> str:
    """Return the number with at least four significant digits, from 1e-4 to 1e7 without exponent.

    Four decimals below 10; above, as many as make four digits; above 9,999 none, and a comma
    between thousands: 0.9666, 53.21, 53,912. Below 0.001 four decimals say little, so more are
    shown: 0.0008123. A difference keeps four there too, as it is read beside 0.

    Args:
        value: `None` and NaN, which are no numbers, give a dash.
        sign: `+` for a difference, which is shown with its sign.
    """
    if value is None or math.isnan(value):
        return NONE
    size = abs(value)
    if size >= LARGEST or (0 < size < SMALLEST and not sign):
        return f"{value:{sign}.3e}"
    if size < 10:
        decimals = 7 if 0 < size < 0.001 and not sign else 4
    else:
        decimals = max(0, 4 - len(str(int(size))))
    comma = "," if size >= 9999.5 else ""
    return f"{value:{sign}z{comma}.{decimals}f}"
