"""Text is UTF-8 here, whatever language a shell has: a column or a class may have any name."""

from __future__ import annotations

import codecs
import io
import locale
import os
import sys


def use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode, unless it reads and writes UTF-8 already.

    In a shell whose language is not UTF-8 (cron, an old server) Python would read `größe` of
    resolved.yaml as other letters or not at all. What such a terminal cannot show is escaped.
    """
    if not sys.flags.utf8_mode and codecs.lookup(locale.getencoding()).name != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # for the processes that train
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
