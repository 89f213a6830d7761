"""One e-mail by a relay, over a connection to a checked address. The idempotency key is its Message-ID."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from xueliang_central.notices.outcomes import Outcome, Refused, Taken, TryAgain
from xueliang_central.notices.saying import Said
from xueliang_central.notices.targets import Target
from xueliang_configs.notices import EmailChannel

_STEP_S: Final = 30.0  # of one read or write; the whole is bounded by who calls


class _Relay(smtplib.SMTP):
    """smtplib, connected to an address that was checked before, never to a name."""

    def __init__(self, connected: socket.socket, host: str) -> None:
        self._connected = connected
        super().__init__(timeout=_STEP_S, local_hostname="centre")
        self._host = host  # whose certificate starttls expects
        code, greeting = self.connect(host, 25)
        if code != 220:
            raise smtplib.SMTPConnectError(code, greeting)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002
        return self._connected


def compose(settings: EmailChannel, said: Said, now: datetime) -> EmailMessage:
    """Plain text; a header never takes a line break from a value (the library refuses it)."""
    mail = EmailMessage()
    mail["From"] = settings.sender
    mail["To"] = said.address
    mail["Subject"] = said.text
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{said.key}@{settings.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{said.text}\n\n{said.link}\n")
    return mail


async def send(settings: EmailChannel, target: Target, said: Said, context: ssl.SSLContext, now: datetime) -> Outcome:
    """Runs in a thread of its own; when it is cancelled (the deadline), its socket is closed, which ends the thread."""
    opened: list[socket.socket] = []
    try:
        return await asyncio.to_thread(_send, settings, target, compose(settings, said, now), context, opened)
    finally:
        for one in opened:
            _hang_up(one)


def _hang_up(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # closed already
    one.close()


def _send(
    settings: EmailChannel,
    target: Target,
    mail: EmailMessage,
    context: ssl.SSLContext,
    opened: list[socket.socket],
) -> Outcome:
    plain = socket.create_connection((target.address, target.port), _STEP_S)
    opened.append(plain)
    connected = plain
    try:
        if settings.tls == "tls":
            connected = context.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)
            opened.append(connected)  # before the handshake, in which a target may hang as well
            connected.do_handshake()
        relay = _Relay(connected, target.host)
        if settings.tls == "starttls":
            relay.starttls(context=context)
            if relay.sock is not None:
                opened.append(relay.sock)
        if settings.username is not None and settings.password is not None:
            relay.login(settings.username, settings.password.get_secret_value())
        relay.send_message(mail)
        try:
            relay.quit()
        except (smtplib.SMTPException, OSError):
            pass  # it has the message
    except smtplib.SMTPRecipientsRefused as error:
        code = next((code for code, _ in error.recipients.values()), 0)
        return _read(code)
    except smtplib.SMTPResponseException as error:
        return _read(error.smtp_code)
    except smtplib.SMTPNotSupportedError:
        return Refused("smtp_not_supported")
    except smtplib.SMTPServerDisconnected:
        return TryAgain("smtp_disconnected")
    except smtplib.SMTPException:
        return TryAgain("smtp")  # no way to sign in that both know, among them
    return Taken()


def _read(code: int) -> Outcome:
    return Refused(f"smtp_{code}") if 500 <= code < 600 else TryAgain(f"smtp_{code}")
