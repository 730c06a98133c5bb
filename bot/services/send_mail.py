"""Hand one mail to the operator's SMTP server. Writes none."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from bot.domain.errors import SendFailed
from bot.settings import MailSettings

TIMEOUT = 15.0  #: seconds for each step


def send_mail(settings: MailSettings, message: EmailMessage) -> None:
    """Send a mail. Raises SendFailed, retryable unless the mailbox is refused for good."""
    parts = urlsplit(settings.smtp_url)
    try:
        with _connected(parts.scheme, parts.hostname or "", parts.port) as line:
            if parts.username:
                if not isinstance(line.sock, ssl.SSLSocket) and not _is_here(parts.hostname or ""):
                    raise SendFailed("no tls for the password", retryable=True, alarm=True)
                line.login(unquote(parts.username), unquote(parts.password or ""))
            line.send_message(message)
    except smtplib.SMTPRecipientsRefused as refused:
        # 4xx is "not now" (greylisting), 5xx is for good: RFC 5321, 4.2.1
        is_for_good = all(code >= 500 for code, _ in refused.recipients.values())
        raise SendFailed("recipient refused", retryable=not is_for_good) from None
    except (smtplib.SMTPException, OSError) as error:
        raise SendFailed(type(error).__name__, retryable=True) from error


def _connected(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT, context=ssl.create_default_context())
    line = smtplib.SMTP(host, port or 587, timeout=TIMEOUT)
    line.ehlo()
    if line.has_extn("starttls"):
        line.starttls(context=ssl.create_default_context())
        line.ehlo()
    return line


def _is_here(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")
