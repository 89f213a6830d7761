"""A camera's address out of a table: what settings get, with `${NAME}` for every secret, and what is opened.

Invariants
    - What is written holds no login, token or ticket, unless the table itself wrote it as a reference.
    - Read back with the secrets in the environment, it is the address that was probed.
    - An address that can be taken apart in two ways is refused: guessing would print half a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from xueliang_configs.values import CameraUrl, redact_url
from xueliang_streams.redaction import SECRET_IN_PATH

EXAMPLE: Final = "rtsp://10.0.0.9/stream1"
_SCHEME: Final = re.compile(r"(?P<scheme>rtsps?)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TELLING: Final = re.compile(
    r"pass|pwd|token|secret|auth|key|user|sign|ticket|session|cred|callid|^(?:t|ts|expires?)$", re.IGNORECASE
)
_DEFAULT_PORTS: Final = {"rtsp": 554, "rtsps": 322}


class AddressProblem(Exception):
    """What is wrong with one address. `column` is url, user or password."""

    def __init__(self, column: str, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.column, self.text, self.hint = column, text, hint


@dataclass(frozen=True, slots=True)
class Address:
    """One stream.

    Attributes:
        written: for settings: secrets as `${NAME}`.
        opened: with its secrets; shows itself redacted.
        secrets: environment variable to value, for what is written; references of the table are not among them.
        references: environment variables that the table itself names.
        spot: host, port, path and query, with their secrets: two cameras with the same one are the same.
        login: whose login it is, for telling cameras of one recorder apart; shows nothing.
    """

    written: str
    opened: CameraUrl
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    references: frozenset[str] = frozenset()
    spot: str = field(default="", repr=False)
    login: SecretStr = field(default_factory=lambda: SecretStr(""))

    @property
    def host(self) -> str:
        """Host and port."""
        return self.spot.partition("/")[0]


def address_of(
    url: str, *, user: str, password: str, prefix: str, login_prefix: str, environment: Mapping[str, str]
) -> Address:
    """Take an address apart and put it together again.

    Args:
        user, password: of the table's own columns; empty: the address brings its login, or needs none.
        prefix, login_prefix: begin the names of environment variables, for example "CAM_GATE_3"; the streams of a
            camera may share those of the login.

    Raises:
        AddressProblem: with no secret in its words.
    """
    parts = _SCHEME.fullmatch(url)
    if parts is None:
        scheme = url.partition("://")[0] if "://" in url[:20] else "no scheme"
        raise AddressProblem("url", f'expected an rtsp:// or rtsps:// address, got "{scheme[:20]}"', EXAMPLE)
    authority, rest = parts["authority"], parts["rest"]
    if "@" in rest:
        text = 'expected no "@" behind the host: a password with / ? or # in it must be written otherwise'
        raise AddressProblem("url", text, "put the login into the columns user and password (an @ in a path: %40)")
    if re.search(r"\s", url):
        raise AddressProblem("url", "expected an address without spaces", EXAMPLE)
    kept = _Kept(prefix, login_prefix, environment)
    login = _login(authority, user, password, kept)
    host = authority.rpartition("@")[2]
    path, mark, query = rest.partition("#")[0].partition("?")
    written = f"{parts['scheme'].lower()}://{login}{host}{_path(path, kept)}{mark}{_query(query, kept)}"
    opened = kept.filled_in(written)
    try:
        checked = CameraUrl.checked(opened, None)
        split = urlsplit(opened)
        port = split.port or _DEFAULT_PORTS[parts["scheme"].lower()]
    except ValueError as error:  # pydantic's own errors are ValueErrors
        shown = str(error).partition(", got")[0][:120] or "expected an address"
        raise AddressProblem("url", f"{shown}, got {redact_url(opened)[:120]}", EXAMPLE) from None
    spot = f"{(split.hostname or '').lower()}:{port}{split.path}?{split.query}".removesuffix("?")
    if split.path in ("", "/") and not split.query:
        text = f"expected the path of a stream behind {host}"
        raise AddressProblem(
            "url", text, "the camera's manual names it, for example /stream1 or /Streaming/Channels/101"
        )
    return Address(
        written, checked, kept.secrets, frozenset(kept.references), spot, SecretStr(split.netloc.rpartition("@")[0])
    )


class _Kept:
    """Names given to the secrets of one address."""

    def __init__(self, prefix: str, login_prefix: str, environment: Mapping[str, str]) -> None:
        self._prefix, self._login_prefix, self._environment = prefix, login_prefix, environment
        self.secrets: dict[str, SecretStr] = {}
        self.references: set[str] = set()

    def reference(self, value: str, name: str, column: str = "url") -> str:
        """The value as `${…}`: its own, when it is one already."""
        if "${" in value:
            return self._own(value, column)
        if re.search(r"[\x00-\x1f\x7f]", value):
            raise AddressProblem(column, "expected no line breaks or control characters")
        prefix = self._prefix if column == "url" else self._login_prefix
        variable = f"{prefix}_{re.sub(r'[^A-Z0-9]+', '_', name.upper()).strip('_') or 'SECRET'}"
        number = 2
        while variable in self.secrets:
            variable = f"{variable.rstrip('0123456789')}{number}"
            number += 1
        self.secrets[variable] = SecretStr(value)
        return f"${{{variable}}}"

    def _own(self, value: str, column: str) -> str:
        found = _REFERENCE.fullmatch(value)
        if found is None:
            raise AddressProblem(column, "expected ${NAME} alone, or a value without ${", "${VILLAGE_CAM_PASSWORD}")
        if found[1] not in self._environment:
            hint = f"export {found[1]}=… before importing: cameras are looked at with it"
            raise AddressProblem(column, f"environment variable {found[1]} is not set", hint)
        self.references.add(found[1])
        return value

    def filled_in(self, written: str) -> str:
        """As reading the settings does: escaped inside the login, as it is elsewhere."""
        login_end = written.rfind("@")

        def value_of(match: re.Match[str]) -> str:
            name = match[1]
            value = self.secrets[name].get_secret_value() if name in self.secrets else self._environment[name]
            return quote(value, safe="") if match.start() < login_end else value

        return _REFERENCE.sub(value_of, written)


def _login(authority: str, user: str, password: str, kept: _Kept) -> str:
    own, at, _ = authority.rpartition("@")
    if at and (user or password):
        text = "expected the login once, got it in the address and in the columns user and password"
        raise AddressProblem("url", text, "take it out of the address")
    if password and not user:
        raise AddressProblem("user", "expected a user beside the password, got nothing")
    if at:
        own_user, colon, own_password = own.partition(":")
        user, password = _decoded(own_user), _decoded(own_password) if colon else ""
    if not user:
        return ""
    shown = kept.reference(user, "user", "user")
    return f"{shown}:{kept.reference(password, 'password', 'password')}@" if password else f"{shown}@"


def _decoded(text: str) -> str:
    return text if "${" in text else unquote(text)


def _path(path: str, kept: _Kept) -> str:
    if "${" in path:
        return _checked_references(path, kept)
    return SECRET_IN_PATH.sub(
        lambda found: found["key"] + (kept.reference(found["value"], "path") if found["value"] else ""), path
    )


def _query(query: str, kept: _Kept) -> str:
    written = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if value and ("${" in value or _TELLING.search(name)):
            value = kept.reference(value, name)
        written.append(f"{name}{equals}{value}")
    return "&".join(written)


def _checked_references(path: str, kept: _Kept) -> str:
    """A path with references of the table's own in it: each must be there."""
    for piece in re.findall(r"\$\{[^}]*\}?", path):
        kept.reference(piece, "path")
    return path
