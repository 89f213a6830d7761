"""How people are told beyond the page: channels (centre.yaml), and who is told how and when (policies.yaml)."""

from __future__ import annotations

import ipaddress
import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr, ValidationInfo, field_validator

from xueliang_alerts.contract import Severity
from xueliang_configs.node import Host
from xueliang_configs.schedules import Schedule
from xueliang_configs.values import PlainId, Port, Seconds, SecretUrl, Settings, http_parts, problem

SHORTEST_TOKEN: Final = 24
PLACEHOLDERS: Final = ("address", "drill", "hazard", "key", "kind", "link", "number", "severity", "text")
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]+)\}")
# Where no notice goes, whoever allows it: this host's own link (cloud metadata among it), groups, nothing.
_NEVER: Final = tuple(
    ipaddress.ip_network(text) for text in ("169.254.0.0/16", "fe80::/10", "224.0.0.0/4", "ff00::/8", "0.0.0.0/8")
)


class NoticeKind(StrEnum):
    """What a notice tells."""

    TASK_OFFERED = "task_offered"
    TASK_RETURNED = "task_returned"
    TASK_WITHDRAWN = "task_withdrawn"
    TASK_HANDED_ON = "task_handed_on"
    URGED = "urged"
    TASK_MOVED = "task_moved"
    HELP_ASKED = "help_asked"
    HELP_ANSWERED = "help_answered"
    SUSPENSION_ASKED = "suspension_asked"
    SUSPENSION_APPROVED = "suspension_approved"
    SUSPENSION_REFUSED = "suspension_refused"
    SUSPENSION_LAPSED = "suspension_lapsed"
    TASK_RESUMED = "task_resumed"
    LATER_LIMIT_ASKED = "later_limit_asked"
    LIMIT_MOVED = "limit_moved"
    LATER_LIMIT_REFUSED = "later_limit_refused"
    LATER_LIMIT_LAPSED = "later_limit_lapsed"
    MESSAGE = "message"
    SUPERVISED = "supervised"
    SUPERVISION_REPLIED = "supervision_replied"
    SUPERVISION_CLOSED = "supervision_closed"
    SEVERITY_RAISED = "severity_raised"
    ESCALATED = "escalated"
    DEADLINE_NEAR = "deadline_near"
    CANARY_ROLLED_BACK = "canary_rolled_back"
    CANARY_HELD = "canary_held"


class ChannelUrl(SecretUrl):
    """Where a channel posts. Robots have their key in the path or the query: only scheme and host are ever shown."""

    __slots__ = ()
    expected = "an https:// address, or http:// of a host in private_targets"
    example = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=${WECOM_KEY}"

    def __str__(self) -> str:
        parts = urlsplit(self.reveal())
        return f"{parts.scheme}://{parts.hostname}/***"

    @classmethod
    def checked(cls, value: str, _base: Path | None) -> ChannelUrl:
        """See `SecretUrl.checked`."""
        if not value.isascii() or any(letter.isspace() or not letter.isprintable() for letter in value):
            hint = "a host of other letters is written as xn--…, the rest as %E4%B8…"
            raise problem("url", f"expected {cls.expected}", "an address with other than printable ASCII letters", hint)
        parts = http_parts(value, cls.example, cls.expected)
        if "@" in parts.netloc:
            raise problem("url_userinfo", "expected no user or password in this address", "", "put it into headers")
        return cls(value)


def _network(value: object) -> object:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        found = ipaddress.ip_network(str(value))
    except ValueError:
        hint = "10.20.0.0/16, or 10.20.3.4/32 for one address"
        raise problem("network", "expected a network of addresses", f'"{str(value)[:40]}"', hint) from None
    if any(found.version == one.version and found.overlaps(one) for one in _NEVER):
        raise problem(
            "network",
            "expected a network without link-local, multicast and unspecified addresses",
            str(found),
            "10.20.0.0/16",
        )
    return found


Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    BeforeValidator(_network),
    PlainSerializer(str, return_type=str),
    Field(json_schema_extra={"type": "string", "examples": ["10.20.0.0/16"]}),
]


class RobotChannel(Settings):
    """A group robot of WeCom, DingTalk or Feishu. A person's address is whom it mentions: the mobile number (WeCom,
    DingTalk) or the open_id (Feishu)."""

    kind: Literal["wecom", "dingtalk", "feishu"] = Field(description="Whose robot.")
    url: ChannelUrl = Field(description="The robot's webhook. Write its key as ${ENV_NAME}.")
    sign_secret: SecretStr | None = Field(
        default=None, description="DingTalk and Feishu: the secret of signed robots. Write it as ${ENV_NAME}."
    )

    @field_validator("sign_secret")
    @classmethod
    def _who_signs(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("kind") == "wecom":
            raise problem("sign", "expected no sign_secret: WeCom robots are not signed", "one", "leave it out")
        return value


def _known_placeholders(text: str) -> None:
    unknown = [name for name in _PLACEHOLDER.findall(text) if name not in PLACEHOLDERS]
    if unknown:
        raise problem("placeholder", "expected known placeholders", f'"{unknown[0][:40]}"', ", ".join(PLACEHOLDERS))


class HttpChannel(Settings):
    """A webhook, or an SMS or voice gateway by HTTP. `Idempotency-Key` is always sent and is the same at every try."""

    kind: Literal["http"] = Field(description="http")
    url: ChannelUrl = Field(description="May hold placeholders in its query, for example ?to={address}.")
    method: Literal["POST", "GET", "PUT"] = Field(default="POST", description="GET sends no body.")
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")], SecretStr] = Field(
        default={}, max_length=20, description="Further headers. Write secrets as ${ENV_NAME}."
    )
    media_type: Literal["application/json", "application/x-www-form-urlencoded", "text/plain"] = Field(
        default="application/json", description="Of the body; what is filled in is escaped for it."
    )
    body: SecretStr | None = Field(
        default=None,
        description="Template with {address}, {text}, {link}, {key}, {number}, {kind}, {hazard}, {severity}, {drill}. "
        "Null: a JSON object of all of them.",
    )
    accepted_if: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description='Text that the answer holds when it was taken, for example "code":"OK"; null: any.'
    )

    @field_validator("url")
    @classmethod
    def _url_template(cls, value: ChannelUrl) -> ChannelUrl:
        parts = urlsplit(value.reveal())
        if "{" in f"{parts.netloc}{parts.path}":
            raise problem("placeholder", "expected placeholders in the query only", "one in the host or the path")
        _known_placeholders(parts.query)
        return value

    @field_validator("headers")
    @classmethod
    def _header_lines(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, header in value.items():
            text = header.get_secret_value()
            if not text.isprintable() or not text.isascii():
                raise problem("header", "expected printable ASCII on one line", f"something else in {name}")
            if name.lower() in ("host", "content-length", "content-type", "transfer-encoding", "idempotency-key"):
                raise problem("header", "expected a header that this program does not set itself", name)
        return value

    @field_validator("body")
    @classmethod
    def _body_template(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return value
        text = value.get_secret_value()
        _known_placeholders(text)
        if info.data.get("media_type") == "application/json":
            try:
                json.loads(_PLACEHOLDER.sub("x", text))
            except ValueError:
                hint = '{"to": "{address}", "content": "{text}"}'
                raise problem("body", "expected JSON with its placeholders in quotes", "", hint) from None
        return value


class EmailChannel(Settings):
    """E-mail by a relay. A person's address is the mailbox."""

    kind: Literal["email"] = Field(description="email")
    host: Host = Field(description="The relay.")
    port: Port = Field(default=465, description="TCP port; 587 with starttls.")
    tls: Literal["tls", "starttls", "none"] = Field(
        default="tls", description="none: only for a relay in private_targets, and without a password."
    )
    username: Annotated[str, Field(max_length=128)] | None = Field(default=None, description="Null: none.")
    password: SecretStr | None = Field(
        default=None, validate_default=True, description="Write it as ${ENV_NAME}; with a username only."
    )
    sender: Annotated[str, Field(pattern=r"^[^\s<>@]{1,64}@[^\s<>@]{1,190}$")] = Field(
        description="From, for example notices@centre.example."
    )

    @field_validator("password")
    @classmethod
    def _never_in_clear(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("username") is None):
            raise problem("login", "expected username and password together", "one of them", "give both or neither")
        if value is not None and info.data.get("tls") == "none":
            raise problem("tls", "expected tls or starttls with a password", "none", "tls: starttls")
        return value


Channel: TypeAlias = Annotated[RobotChannel | HttpChannel | EmailChannel, Field(discriminator="kind")]


class NoticesConfig(Settings):
    """By which ways people are told beyond the page. Secrets and addresses of gateways; who is told when is policy."""

    channels: dict[PlainId, Channel] = Field(default={}, max_length=20, description="By a name of yours.")
    private_targets: tuple[Network, ...] = Field(
        default=(),
        max_length=50,
        description="Private networks that channels may reach, for example 10.20.0.0/16; others are refused, whatever "
        "name leads there. Only here may a channel be plain http.",
    )
    deadline_s: Annotated[float, Field(ge=1, le=60)] = Field(
        default=10.0, description="A target that has not answered by then is tried again later."
    )
    language: Literal["zh", "en"] = Field(default="zh", description="Of what a notice says.")
    unit_reply_token: SecretStr | None = Field(
        default=None,
        description="What the SMS or voice gateway shows (Authorization: Bearer) when it hands in a managing unit's "
        "reply, at least 24 characters. Write it as ${ENV_NAME}. Null: units reply by their link only.",
    )

    @field_validator("unit_reply_token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_TOKEN:
            raise problem("token", f"expected at least {SHORTEST_TOKEN} characters", "fewer", "openssl rand -hex 24")
        return value


class LadderStep(Settings):
    """One step: by which channel, and how long after the one before."""

    channel: PlainId = Field(description="A channel of centre.yaml; who has no address for it is passed over at once.")
    after_s: Seconds = Field(
        default=60.0,
        description="Seconds after the step before it (the first: after the notice was written) without a receipt.",
    )


class Ladder(Settings):
    """Which notices climb how. The page itself is always told first; a receipt from it, or the task taken or over, ends
    the climb."""

    severity: Literal["any"] | Annotated[tuple[Severity, ...], Field(min_length=1)] = Field(
        default="any", description="any, or a list of 1 (most severe) to 4."
    )
    kinds: Literal["any"] | Annotated[tuple[NoticeKind, ...], Field(min_length=1)] = Field(
        default="any", description="any, or a list of kinds of notice."
    )
    steps: tuple[LadderStep, ...] = Field(max_length=12, description="In order; empty: only the page is told.")

    @field_validator("severity", "kinds", mode="before")
    @classmethod
    def _any_or_a_list(cls, value: object) -> object:
        if value == "any" or (isinstance(value, list | tuple) and value):
            return value
        shown = f"[{value}]" if isinstance(value, str | int) and value != "" else "any"
        raise problem("match", "expected any, or a list", f'"{value}"' if shown != "any" else "", shown)

    def takes(self, severity: int, kind: str) -> bool:
        return (self.severity == "any" or severity in self.severity) and (self.kinds == "any" or kind in self.kinds)


class NoticeRules(Settings):
    """Who is told how, when, and how often."""

    ladders: tuple[Ladder, ...] = Field(
        default=(), max_length=50, description="Rows in order; the first that matches decides. None: only the page."
    )
    per_hour: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=20,
        description="So many messages to a person in an hour; more are held back and counted. Severity 1 always goes.",
    )
    quiet: Schedule | None = Field(
        default=None, description="Quiet hours: what is not severity 1 waits for their end, if it is needed then."
    )

    @field_validator("ladders")
    @classmethod
    def _rows_are_of_use(cls, rows: tuple[Ladder, ...]) -> tuple[Ladder, ...]:
        cases = {(severity.value, kind.value) for severity in Severity for kind in NoticeKind}
        for index, row in enumerate(rows):
            taken = {case for case in cases if row.takes(*case)}
            if not taken:
                raise problem(
                    "ladder_idle",
                    "expected every ladder to be of use",
                    f"row {index}, whose every case is taken by a row above it",
                    "move it up, or take it out",
                )
            cases -= taken
        return rows

    def ladder_for(self, severity: int, kind: str) -> tuple[LadderStep, ...]:
        """The steps of the row that decides; none: only the page is told."""
        return next((row.steps for row in self.ladders if row.takes(severity, kind)), ())

    def channels_named(self) -> dict[str, str]:
        """Every channel that a step names, and where: "notices.ladders.0.steps.1.channel"."""
        return {
            step.channel: f"notices.ladders.{i}.steps.{j}.channel"
            for i, row in reversed(list(enumerate(self.ladders)))
            for j, step in reversed(list(enumerate(row.steps)))
        }
