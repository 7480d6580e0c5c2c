"""Pages of results in the browser: served on the loopback of this machine, several of them side by side.

Nothing but the pages is served, no file by its path; requests that name another host are refused, so no page of the
network can read them through the browser.
"""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gliofield.errors import OutputError
from gliofield.report.page_templates import render
from gliofield.report.report_page import ViewerSource, render_report, report_title

_HOST = "127.0.0.1"


class PageServer:
    """Serves the pages of some results; a context manager.

    Parameters
    ----------
    folders : sequence of Path
        Of the results; their pages are made at once, so that a folder that is none is refused.
    viewer : ViewerSource
        The viewer's script.
    port : int
        Port; 0 takes a free one.

    Raises
    ------
    ParameterError
        If a folder is no result.
    OutputError
        If the port is taken.
    """

    def __init__(self, folders: Sequence[Path], *, viewer: ViewerSource, port: int = 0) -> None:
        pages = [render_report(folder, viewer=viewer) for folder in folders]
        titles = [report_title(folder) for folder in folders]
        self.pages = {f"/{place}": page for place, page in enumerate(pages, start=1)}
        index = pages[0] if len(pages) == 1 else render("side_by_side.html.j2", titles=titles)
        self.pages["/"] = index
        try:
            self._server = ThreadingHTTPServer((_HOST, port), _handler(self))
        except OSError as error:
            raise OutputError(f"port {port} cannot be used: {error.strerror}. Choose another, or 0.") from error
        self.hosts = {f"{name}:{self._server.server_port}" for name in (_HOST, "localhost")}

    @property
    def address(self) -> str:
        """Where the browser finds it."""
        return f"http://{_HOST}:{self._server.server_port}/"

    def serve(self, *, opens_browser: bool = False) -> None:
        """Answer until the process is interrupted, or `close` is called by another thread."""
        if opens_browser:
            webbrowser.open(self.address)
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """End `serve`."""
        self._server.shutdown()

    def __enter__(self) -> PageServer:
        """The server itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give the port back."""
        self._server.server_close()


def _handler(server: PageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 (named by the library)
            page = server.pages.get(self.path.partition("?")[0])
            if self.headers.get("Host") not in server.hosts:
                page = None
            body = b"not found" if page is None else page.encode("utf-8")
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "text/plain" if page is None else "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
