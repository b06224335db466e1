"""A bad network in front of an HTTP server: requests and answers get lost, late, or refused."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FATES = {  # what happens to a request, and how often of 100
    "dropped": 6,  # never arrives
    "answer lost": 6,  # arrives, and the client never hears
    "500": 6,
    "500 afterwards": 4,  # arrives, and the client hears that it failed
    "cut": 4,  # half of the answer arrives
    "late": 10,
}


class Proxy:
    """Forwards to a port on loopback, badly, until `close`."""

    def __init__(self, port: int, seed: int = 0, fates: dict[str, int] | None = None) -> None:
        """`away` is the moment (of `time.monotonic`) until which nothing passes."""
        self.upstream = port
        self.away = 0.0
        self.met: Counter[str] = Counter()
        self._draw = random.Random(seed)
        self._fates = FATES if fates is None else fates
        handler = type("Bound", (Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def fate(self) -> str:
        """What the next request gets."""
        if time.monotonic() < self.away:
            fate = "away"
        else:
            weights = [*self._fates.values(), 100 - sum(self._fates.values())]
            fate = self._draw.choices([*self._fates, "passed"], weights)[0]
        self.met[fate] += 1
        return fate

    def close(self) -> None:
        """No more requests."""
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def handle_one_request(self) -> None:
        """Any method."""
        self.raw_requestline = self.rfile.readline(65537)
        usable = bool(self.raw_requestline) and self.parse_request()
        self.close_connection = True  # which parse_request decides otherwise
        if not usable:
            return
        body = self.body()
        fate = self.proxy.fate()
        if fate == "500":
            self.answer(500, b"the proxy failed", {})
        if fate in ("dropped", "away", "500"):
            return
        if fate == "late":
            time.sleep(random.uniform(0.2, 2))
        try:
            status, data, headers = self.forward(body)
        except OSError:  # the server does not answer, and so does the proxy not
            return
        if fate == "500 afterwards":
            self.answer(500, b"the proxy failed", {})
        elif fate != "answer lost":
            self.answer(status, data, headers, half=fate == "cut")

    def body(self) -> bytes:
        """What was sent; an empty file comes in no chunks and without a length."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        del self.headers["Transfer-Encoding"]
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.headers["Content-Length"] = str(len(body))
        return body

    def forward(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """What the server answers."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream, timeout=60)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        return answer.status, data, dict(answer.headers)

    def answer(
        self, status: int, data: bytes, headers: dict[str, str], *, half: bool = False
    ) -> None:
        """Send it, or its first half."""
        self.send_response(status)
        for key, value in headers.items():
            if key.lower() in ("content-type", "content-encoding"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if half else data)
        self.wfile.flush()
