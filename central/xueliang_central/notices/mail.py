"""One e-mail by a relay, over a connection to a checked address. The idempotency key is its Message-ID."""

from __future__ import annotations

import asyncio
import ipaddress
import smtplib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
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


async def send(
    settings: EmailChannel,
    target: Target,
    said: Said,
    context: ssl.SSLContext,
    now: datetime,
    threads: ThreadPoolExecutor,
) -> Outcome:
    """Runs in one of `threads`, which are this channel's own: the shared ones serve signing in and pictures. When it is
    cancelled (the deadline), its socket is closed, which ends the thread; connecting, which that would not end, takes
    none."""
    opened: list[socket.socket] = []
    loop, mail = asyncio.get_running_loop(), compose(settings, said, now)
    try:
        opened.append(await _connected(loop, target))
        return await loop.run_in_executor(threads, _send, settings, target, mail, context, opened)
    finally:
        for one in opened:
            _hang_up(one)


async def _connected(loop: asyncio.AbstractEventLoop, target: Target) -> socket.socket:
    family = socket.AF_INET6 if ipaddress.ip_address(target.address).version == 6 else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        await loop.sock_connect(plain, (target.address, target.port))
        plain.settimeout(_STEP_S)
    except BaseException:
        plain.close()
        raise
    return plain


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
    plain = connected = opened[0]
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
