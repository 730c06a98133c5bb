"""A small SMTP server on loopback (RFC 5321), enough for smtplib. Passes no mail on."""

from __future__ import annotations

import socketserver
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self


@dataclass
class SmtpStandIn:
    """`arrived` holds the mails taken; `refusals` what the next recipients are answered, the first first."""

    arrived: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _session_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _session_of(stand_in: SmtpStandIn) -> type[socketserver.StreamRequestHandler]:
    class Session(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 stand-in")
            while line := self.rfile.readline().decode().strip():
                match line.split(":")[0].split()[0].upper():
                    case "DATA":
                        self.say("354 go on")
                        self._take()
                    case "RCPT" if stand_in.refusals:
                        self.say(stand_in.refusals.pop(0))
                        continue
                    case "RCPT":
                        stand_in.recipients.append(line.partition(":")[2].strip("<> "))
                    case "QUIT":
                        self.say("221 bye")
                        return
                self.say("250 ok")

        def _take(self) -> None:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            parsed = message_from_bytes(b"".join(lines), policy=policy.default)
            assert isinstance(parsed, EmailMessage)
            stand_in.arrived.append(parsed)

    return Session
