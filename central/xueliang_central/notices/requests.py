"""What is posted where, and what the answer means (pure): robots of WeCom, DingTalk and Feishu, and HTTP templates.

The robots answer 200 also when they refuse; what counts is the code in the body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from xueliang_central.notices.outcomes import Outcome, Refused, Taken, TryAgain
from xueliang_central.notices.saying import Said
from xueliang_configs.notices import PLACEHOLDERS, HttpChannel, RobotChannel

LONGEST_WAIT_S: Final = 900.0  # whatever a target asks for: the ladder goes on meanwhile
_PLACEHOLDER: Final = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
# Codes that mean "later": WeCom -1 busy, 45009 and 45033 too often; DingTalk -1 busy, 90030, 130101 and 410100 too
# often; Feishu 11232 too often. As their users tell; not tried at the real robots. One too many here costs eight tries.
_LATER: Final = frozenset({-1, 45009, 45033, 90030, 130101, 410100, 11232})
_LATER_STATUS: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP request; never logged: it holds a person's address and perhaps a key."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


def robot_post(channel: RobotChannel, said: Said, now: datetime) -> Post:
    """A text message that mentions the person."""
    url, secret = channel.url.reveal(), channel.sign_secret
    key = None if secret is None else secret.get_secret_value()
    text = f"{said.text}\n{said.link}"
    body: dict[str, Any]
    match channel.kind:
        case "wecom":
            body = {"msgtype": "text", "text": {"content": text, "mentioned_mobile_list": [said.address]}}
        case "dingtalk":
            url = url if key is None else _signed_url(url, key, now)
            at = {"atMobiles": [said.address], "isAtAll": False}
            body = {"msgtype": "text", "text": {"content": f"{text} @{said.address}"}, "at": at}
        case "feishu":
            mention = f'<at user_id="{said.address}"></at> '
            body = {"msg_type": "text", "content": {"text": f"{mention}{text}"}}
            if key is not None:
                body |= feishu_signature(key, int(now.timestamp()))
    return Post("POST", url, _headers(said, "application/json"), _json(body))


def dingtalk_signature(secret: str, at_ms: int) -> str:
    """HMAC-SHA256 over "time, newline, secret" by the secret, base64."""
    digest = hmac.new(secret.encode(), f"{at_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def feishu_signature(secret: str, at_s: int) -> dict[str, str]:
    """HMAC-SHA256 over nothing by "time, newline, secret", base64: so their page has it."""
    digest = hmac.new(f"{at_s}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return {"timestamp": str(at_s), "sign": base64.b64encode(digest).decode()}


def _signed_url(url: str, secret: str, now: datetime) -> str:
    at_ms = int(now.timestamp() * 1000)
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query), ("timestamp", str(at_ms)), ("sign", dingtalk_signature(secret, at_ms))]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))


def http_post(channel: HttpChannel, said: Said) -> Post:
    """The template filled in; every value is escaped for the place it goes to."""
    values = {**said.values, "address": said.address}
    parts = urlsplit(channel.url.reveal())
    query = _fill(parts.query, values, lambda value: quote(value, safe=""))
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    headers = {name: secret.get_secret_value() for name, secret in channel.headers.items()}
    if channel.method == "GET":
        return Post("GET", url, headers | _headers(said, None), None)
    template = None if channel.body is None else channel.body.get_secret_value()
    headers |= _headers(said, channel.media_type)
    return Post(channel.method, url, headers, _body(channel.media_type, template, values))


def _body(media_type: str, template: str | None, values: Mapping[str, str]) -> bytes:
    match media_type:
        case "application/json":
            if template is None:
                return _json(dict(sorted(values.items())))
            return _fill(template, values, lambda value: json.dumps(value, ensure_ascii=False)[1:-1]).encode()
        case "application/x-www-form-urlencoded":
            if template is None:
                return urlencode(sorted(values.items())).encode()
            return _fill(template, values, lambda value: quote(value, safe="")).encode()
        case _:
            return _fill(template or "{text} {link}", values, lambda value: value).encode()


def _fill(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """In one pass: what was filled in is not searched again."""
    return _PLACEHOLDER.sub(lambda found: escape(values[found[1]]), template)


def _headers(said: Said, media_type: str | None) -> dict[str, str]:
    own = {"Idempotency-Key": said.key, "Accept": "application/json"}
    return own if media_type is None else own | {"Content-Type": f"{media_type}; charset=utf-8"}


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def read_status(status: int, retry_after: str | None) -> Outcome:
    """What an HTTP status means. Nobody is followed: a redirect is refused."""
    if 200 <= status < 300:
        return Taken()
    if 300 <= status < 400:
        return Refused(f"redirect_{status}")
    if status in _LATER_STATUS or status >= 500:
        asked = retry_after.strip() if retry_after else ""
        after_s = min(float(asked), LONGEST_WAIT_S) if asked.isascii() and asked.isdigit() and len(asked) < 9 else None
        return TryAgain(f"http_{status}", after_s)
    return Refused(f"http_{status}")


def read_robot(body: bytes) -> Outcome:
    """What a robot's answer of status 200 means."""
    try:
        answer = json.loads(body)
    except ValueError:
        return TryAgain("answer_unreadable")
    code = answer.get("errcode", answer.get("code", answer.get("StatusCode"))) if isinstance(answer, dict) else None
    if code == 0:
        return Taken()
    if not isinstance(code, int):
        return TryAgain("answer_unreadable")
    return TryAgain(f"code_{code}") if code in _LATER else Refused(f"code_{code}")


def read_gateway(body: bytes, accepted_if: str | None) -> Outcome:
    """What a gateway's answer of status 2xx means."""
    if accepted_if is None or accepted_if.encode() in body:
        return Taken()
    return Refused("not_accepted")
