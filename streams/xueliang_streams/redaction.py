"""Camera addresses as they may be printed: no password, no token.

Every message, log line and health text of this room names a URL through `redact_url`. It keeps what a person needs to
find the camera (scheme, user, host, port, path, names of query fields) and hides the rest.
"""

from __future__ import annotations

import re

HIDDEN = "***"

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.DOTALL,
)
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://\S+")
SECRET_IN_PATH = re.compile(
    r"(?P<key>(?:password|passwd|passwort|pwd|pass|token|secret|auth|key)[=:]|/openurl/)(?P<value>[^/&;]*?)"
    r"(?=$|[/&;]|_(?:channel|stream|user)[=_])",
    re.IGNORECASE,
)
"""Some vendors put the login into the path (/user=admin_password=secret_channel=1.sdp), some platforms a ticket
(/openUrl/a1B2c3)."""


def redact_url(url: str) -> str:
    """The address with the password, every query value and login fields in the path replaced by `***`.

    Query values are hidden without looking at their names: vendors invent names for tokens faster than a list can grow.
    A password with an unescaped "/", "?" or "#" in it makes the parts of the URL uncertain: then all of it is hidden.
    Text that is no URL comes back unchanged (a file path), apart from login fields.
    """
    parts = _URL.fullmatch(url)
    if parts is None:
        return _hide_login_fields(url)
    scheme, authority, path = parts["scheme"], parts["authority"], parts["path"]
    query, fragment = parts["query"] or "", parts["fragment"] or ""
    if ":" in authority and "@" in path + query + fragment:
        return scheme + HIDDEN
    login, at, host = authority.rpartition("@")
    user, colon, _ = login.partition(":")
    shown = scheme + user + (f":{HIDDEN}" if colon else "") + at + host + _hide_login_fields(path)
    if query:
        shown += "?" + "&".join(_hide_value(field) for field in query[1:].split("&"))
    return shown + (f"#{HIDDEN}" if fragment else "")


def redact_text(text: str) -> str:
    """Free text (a library's error message) with every URL in it redacted."""
    return _URL_IN_TEXT.sub(lambda found: redact_url(found[0]), text)


def _hide_value(field: str) -> str:
    name, equals, value = field.partition("=")
    return f"{name}{equals}{HIDDEN}" if value else (HIDDEN if not equals else field)


def _hide_login_fields(path: str) -> str:
    return SECRET_IN_PATH.sub(rf"\g<key>{HIDDEN}", path)
