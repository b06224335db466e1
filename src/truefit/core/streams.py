"""What a program reads from and prints to, whatever a shell has closed or cannot show."""

from __future__ import annotations

import codecs
import io
import locale
import os
import sys


def use_own_streams() -> None:
    """Make reading and printing independent of the shell; call it first.

    Closed streams become the null device, text is UTF-8, and what a terminal cannot show is
    escaped: a column or a class may have any name.
    """
    _open_closed()
    _use_utf8()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _open_closed() -> None:
    """Open the null device in the place of each closed stream (`2>&-`, a daemon).

    The next file that is opened would take its number, and all that is printed would go there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest number
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - a number, no path
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode, unless it reads and writes UTF-8 already.

    In a shell whose language is not UTF-8 (cron, an old server) Python would read `größe` of
    resolved.yaml as other letters or not at all.
    """
    if os.environ.get("PYTHONUTF8") == "1":
        return  # it was started again, and told otherwise
    if not sys.flags.utf8_mode and codecs.lookup(locale.getencoding()).name != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # for the processes that train
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
