"""One TCP or TLS connection that never blocks whoever polls it.

Invariants:
- No call waits: names are looked up in a daemon thread, everything else is asked whether it can go on.
- A look-up that the system takes its time over is waited for, not started a second time: one thread per camera at most.
- With TLS the certificate is verified, unless the caller hands in a context that says otherwise.
- After `close` nothing is open; a second call does nothing.
"""

from __future__ import annotations

import errno
import ipaddress
import select
import socket
import ssl
import threading
from typing import Any, Final

from xueliang_streams.errors import CameraUnreachable

MAX_UNSENT_BYTES: Final = 64 * 1024
"""Our requests are a few hundred bytes: a camera that takes in none of them for so long is not listening."""

_Address = tuple[socket.AddressFamily, Any]
_IN_PROGRESS: Final = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR)


class NameLookup:
    """The addresses of one host. Lives as long as the camera's reader; asked again at each attempt."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._result: list[list[_Address] | OSError] = []
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin a new look-up, unless one is still under way."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._result = []
        if _is_literal(self._host):
            self._look_up(self._result, socket.AI_NUMERICHOST)
            return
        self._thread = threading.Thread(target=self._look_up, args=(self._result, 0), name="name look-up", daemon=True)
        self._thread.start()

    def addresses(self) -> list[_Address] | None:
        """None while it is under way.

        Raises:
            CameraUnreachable: there is no such name, or nobody who knows.
        """
        if not self._result:
            return None
        result = self._result[0]
        if isinstance(result, OSError):
            raise CameraUnreachable("cannot be reached; check the host name and the network")
        return list(result)

    def _look_up(self, result: list[list[_Address] | OSError], flags: int) -> None:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=flags)
            result.append([(family, address) for family, _, _, _, address in found])
        except OSError as error:
            result.append(error)
        except UnicodeError:  # a label that is empty or too long
            result.append(OSError("no host name"))


class Connection:
    """From nothing to connected, then bytes both ways. All errors are CameraUnreachable, in words without the URL."""

    def __init__(self, host: str, lookup: NameLookup, tls: ssl.SSLContext | None, deadline_mono_s: float) -> None:
        self._host = host
        self._lookup = lookup
        self._tls = tls
        self._deadline_mono_s = deadline_mono_s
        self._addresses: list[_Address] | None = None
        self._address_until_mono_s = deadline_mono_s
        self._socket: socket.socket | None = None
        self._is_connected = False
        self._is_ready = False
        self._unsent = bytearray()
        lookup.start()

    @property
    def has_address(self) -> bool:
        """The name was looked up."""
        return self._addresses is not None

    @property
    def is_connected(self) -> bool:
        """Somebody accepted the TCP connection."""
        return self._is_connected

    def advance(self, now_mono_s: float) -> bool:
        """Go as far as possible without waiting: whether bytes can be sent and read."""
        if self._is_ready:
            return True
        if self._addresses is None:
            self._addresses = self._lookup.addresses()
            if self._addresses is None:
                return False
        if not self._is_connected and not self._connect(now_mono_s):
            return False
        self._is_ready = self._tls is None or self._shake_hands()
        return self._is_ready

    def send(self, data: bytes) -> None:
        """Send now what the socket takes, the rest with later calls of `flush`."""
        if len(self._unsent) + len(data) > MAX_UNSENT_BYTES:
            raise CameraUnreachable("the camera takes in nothing of what it is sent")
        self._unsent += data
        self.flush()

    def flush(self) -> None:
        """Go on sending what is left."""
        if not self._unsent or self._socket is None:
            return
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            raise in_words(error) from None
        del self._unsent[:sent]

    def read_into(self, scratch: memoryview) -> int:
        """Read what is there, at most what fits. 0: nothing now; less than fits: nothing is left there.

        Raises:
            CameraUnreachable: the connection is over.
        """
        if self._socket is None:
            return 0
        is_tls, filled = self._tls is not None, 0
        while True:
            try:
                count = self._socket.recv_into(scratch[filled:])
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return filled
            except OSError as error:
                raise in_words(error) from None
            filled += count
            if not count and not filled:
                raise CameraUnreachable("the connection was closed by the other side")
            # TLS gives one record of at most 16 KiB at a time; a plain socket all that is there.
            if not count or not is_tls or filled == len(scratch):
                return filled

    def close(self) -> None:
        """Let go of the socket at once; what is unsent is lost."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._is_ready = False

    def _connect(self, now_mono_s: float) -> bool:
        """Try one address after the other, each for its share of the time that is left."""
        if self._socket is None:
            return self._try_next(now_mono_s)
        if not _has_answered(self._socket):
            if now_mono_s < self._address_until_mono_s or not self._addresses:
                return False
            return self._try_next(now_mono_s)
        problem = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem and not self._addresses:
            raise in_words(OSError(problem, "")) from None
        if problem:
            return self._try_next(now_mono_s)
        self._is_connected = True
        return True

    def _try_next(self, now_mono_s: float) -> bool:
        assert self._addresses is not None
        self.close()
        while self._addresses:
            left_s = max(0.0, self._deadline_mono_s - now_mono_s)
            self._address_until_mono_s = now_mono_s + left_s / len(self._addresses)
            family, address = self._addresses.pop(0)
            try:
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                self._socket.setblocking(False)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                problem = self._socket.connect_ex(address)
            except OSError as error:
                problem = error.errno or errno.EIO
            if problem == 0 or problem in _IN_PROGRESS:
                return False  # also when it stands already: the next call sees it
            self.close()
            if not self._addresses:
                raise in_words(OSError(problem, "")) from None
        raise CameraUnreachable("the host name has no address")

    def _shake_hands(self) -> bool:
        assert self._socket is not None
        assert self._tls is not None
        try:
            if not isinstance(self._socket, ssl.SSLSocket):
                self._socket = self._tls.wrap_socket(
                    self._socket, server_hostname=self._host, do_handshake_on_connect=False
                )
            self._socket.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except (OSError, ValueError) as error:
            raise in_words(error) from None
        return True


def in_words(error: Exception) -> CameraUnreachable:
    """What a person can do about a socket's error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CameraUnreachable(
            f"the camera's certificate is not trusted ({error.verify_message.rstrip('.')}); give it one from an "
            "authority this machine trusts, for the host name in the address"
        )
    if isinstance(error, ssl.SSLError):
        return CameraUnreachable(f"no TLS connection can be made ({(error.reason or 'cut off').lower()})")
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ECONNREFUSED:
        return CameraUnreachable("nothing listens there (connection refused); check the port")
    if number in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN):
        return CameraUnreachable("the connection was closed by the other side")
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT):
        return CameraUnreachable("cannot be reached; check the address and the network")
    if number in (errno.EMFILE, errno.ENFILE):
        return CameraUnreachable("this machine has no file descriptor left for another connection")
    return CameraUnreachable(f"cannot be read ({errno.errorcode.get(number or 0, type(error).__name__)})")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _has_answered(connecting: socket.socket) -> bool:
    waiting = select.poll()
    waiting.register(connecting, select.POLLOUT)
    return bool(waiting.poll(0))
