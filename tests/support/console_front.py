"""A front of a centre with console files of its own: a test changes them as a release would, and the API stays real."""

from __future__ import annotations

import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Final

import httpx

_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
_PASSED_ON: Final = ("content-type", "cookie", "x-csrf-token", "origin", "accept", "host", "sec-fetch-site")


class ConsoleFront:
    """Serves a copy of `build` below `folder`, and asks `centre` for /api/; a context manager.

    The event stream is refused: a page behind it stays "connecting" and reads by itself.
    """

    def __init__(self, build: Path, folder: Path, centre: str) -> None:
        self.files = folder / "console"
        shutil.copytree(build, self.files)
        self._http = httpx.Client(base_url=centre, timeout=10.0, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.files, self._http))
        self._thread = threading.Thread(target=self._server.serve_forever, name="console front")
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ConsoleFront:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._http.close()


def _handler(files: Path, http: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/api/events":
                self._send(503, {}, b"")
            elif path.startswith("/api/"):
                self._pass_on()
            else:
                named = files / path.lstrip("/")
                is_phone = path == "/phone" or path.startswith("/phone/")  # as the centre has it
                start = "phone.html" if is_phone else "index.html"
                found = named if path != "/" and named.is_file() else files / start
                kind = {"content-type": _TYPES.get(found.suffix, "application/octet-stream")}
                self._send(200, {**kind, "cache-control": "no-cache"}, found.read_bytes())

        def _pass_on(self) -> None:
            headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = http.request(self.command, self.path, headers=headers, content=body)
            kept = {name: answer.headers[name] for name in ("content-type", "date") if name in answer.headers}
            self._send(answer.status_code, kept, answer.content, answer.headers.get_list("set-cookie"))

        def _send(self, status: int, headers: dict[str, str], body: bytes, cookies: list[str] | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            for cookie in cookies or ():
                self.send_header("set-cookie", cookie)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Quiet."""

    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler
