"""A line on loopback to a real server, that can be cut and mended. Reads nothing of what it carries."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

BLOCK = 65_536


class Line:
    """Whoever connects to `port` speaks with the server at `to`, for the length of a `with`."""

    def __init__(self, to: tuple[str, int]) -> None:
        self._to = to
        self._ends: set[socket.socket] = set()
        self._server = self._listening(0)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Every connection breaks, and none is made, for the length of a `with`."""
        self._hang_up()
        try:
            yield
        finally:
            self._server = self._listening(self.port)

    def _listening(self, port: int) -> socketserver.ThreadingTCPServer:
        line = self

        class Carrier(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                line._carry(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        server = Server(("127.0.0.1", port), Carrier)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def _carry(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self._to) as far:
            self._ends |= {near, far}
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join()
            self._ends -= {near, far}

    def _hang_up(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for end in list(self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := one.recv(BLOCK):
            other.sendall(block)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
