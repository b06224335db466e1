"""Machines of their own on this one: a network namespace each, which reaches servers by relays.

Every server stays on loopback. A relay listens on a machine's own loopback and passes on to a
Unix socket, which all machines see; without its loopback a machine is cut off from everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

AS_ROOT = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]


class Machine:
    """A network of its own; `run` starts programs there."""

    def __init__(self, relays: dict[int, Path]) -> None:
        """`relays` are ports of its loopback, each with the Unix socket behind it."""
        up = "ip link set lo up && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "--net", *AS_ROOT, "sh", "-c", up])
        self.programs = [self._holder]
        time.sleep(0.3)
        for port, socket in relays.items():
            relay = [sys.executable, __file__, f"tcp:{port}", f"unix:{socket}"]
            self.programs.append(self.run(*relay))

    def run(
        self, *command: str, folder: Path | None = None, log: Path | None = None, **environment: str
    ) -> subprocess.Popen[bytes]:
        """A program on this machine."""
        output = log.open("ab") if log else None
        process = subprocess.Popen(
            self._enter(*command), cwd=folder, env={**os.environ, **environment},
            stdout=output, stderr=subprocess.STDOUT if output else None,
        )  # fmt: skip
        if output:
            output.close()
        return process

    def cut_off(self, seconds: float) -> None:
        """Nothing goes out or comes in; connections are not closed, they are silent."""
        subprocess.run(self._enter("ip", "link", "set", "lo", "down"), check=True)
        time.sleep(seconds)
        subprocess.run(self._enter("ip", "link", "set", "lo", "up"), check=True)

    def close(self) -> None:
        """It is gone with all that runs on it."""
        for program in reversed(self.programs):
            program.kill()
            program.wait()

    def _enter(self, *command: str) -> list[str]:
        place = f"/proc/{self._holder.pid}/ns"
        user = [f"--user={place}/user", "--preserve-credentials"] if AS_ROOT else []
        return ["nsenter", f"--net={place}/net", *user, *command]


@contextlib.contextmanager
def machines(number: int, relays: dict[int, Path]) -> Iterator[list[Machine]]:
    """That many, gone with the block."""
    allowed = shutil.which("unshare") and shutil.which("ip")
    tried = ["unshare", "--net", *AS_ROOT, "ip", "link", "set", "lo", "up"]
    if not allowed or subprocess.run(tried, check=False, capture_output=True).returncode:
        pytest.skip("network namespaces are not allowed here (`unshare --net`, as root)")
    found = [Machine(relays) for _ in range(number)]
    try:
        yield found
    finally:
        for machine in found:
            machine.close()


async def relay(listen: str, connect: str) -> None:
    """Pass on every connection, until the process is ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, _, place = connect.partition(":")
        try:
            if kind == "unix":
                far_reader, far_writer = await asyncio.open_unix_connection(place)
            else:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(place))
        except OSError:  # nobody is there now
            writer.close()
            return
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    kind, _, place = listen.partition(":")
    if kind == "unix":
        server = await asyncio.start_unix_server(serve, place)
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", int(place))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(*sys.argv[1:3]))
