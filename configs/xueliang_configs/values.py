"""The small values settings are made of: ids, durations, polygons, and addresses that never print a password."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from xueliang_alerts.contract import ID_PATTERN

REDACTED: Final = "***"
MAX_ZONE_POINTS: Final = 64
_SECRET_NAMES: Final = re.compile(r"pass|pwd|token|secret|auth|key|user|sign|ticket|session|cred|callid", re.IGNORECASE)
# Logins and tickets that some cameras and platforms have in the path: /user=a_password=b_channel=1.sdp, /openUrl/a1B2c3
_USUAL_PORTS: Final = {"rtsp": 554, "rtsps": 322}
_SECRET_IN_PATH: Final = re.compile(
    r"((?:password|passwd|pwd|pass|token|secret|auth|key)[=:]|/openurl/)[^/&;]*?(?=$|[/&;]|_(?:channel|stream|user)[=_])",
    re.IGNORECASE,
)


class Settings(BaseModel):
    """Base of everything an operator may write: frozen, unknown keys refused, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def problem(kind: str, expected: str, got: str = "", hint: str = "") -> PydanticCustomError:
    """An error for a validator to raise: what was expected, what came, what to write instead."""
    text = f"{expected}, got {got}" if got else expected
    safe = text.replace("{", "{{").replace("}", "}}")
    return PydanticCustomError("configs_" + kind, safe, {"hint": hint})


def _id(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(ID_PATTERN, value):
        return value
    lowered = re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")[:63]
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    raise problem(
        "id",
        "expected small letters, digits and hyphens (63 at most, no hyphen first)",
        shown[:80],
        f"{lowered}" if lowered else "lane-east-1",
    )


PlainId = Annotated[str, BeforeValidator(_id), Field(json_schema_extra={"pattern": ID_PATTERN})]
OfView = Annotated[
    PlainId | None,
    Field(
        description="The view it was drawn in, one of the camera's `views`: the rule is judged in that view and "
        "unknown in others. Needed where a camera has several; null: the one view there is.",
    ),
]

Seconds = Annotated[float, Field(ge=0.0, le=86_400.0)]
PositiveSeconds = Annotated[float, Field(gt=0.0, le=86_400.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class PlaceClass(StrEnum):
    """What kind of place a camera watches; limits and severities may depend on it."""

    RESIDENTIAL = "residential"
    SCHOOL = "school"
    HOSPITAL = "hospital"
    MALL = "mall"
    STREET = "street"
    INDUSTRIAL = "industrial"
    SCENIC = "scenic"
    OTHER = "other"


class AreaLevel(StrEnum):
    """A level of the area tree."""

    CITY = "city"
    COUNTY = "county"
    TOWNSHIP = "township"
    VILLAGE = "village"
    GRID = "grid"


Point = tuple[float, float]
_SQUARE_HINT: Final = "[[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]] (x, y; 0..1 of the picture, origin top left)"


def polygon_area(points: tuple[Point, ...]) -> float:
    """Area of a polygon in the square of its coordinates' unit, never negative."""
    twice = 0.0
    x1, y1 = points[0]
    for x2, y2 in (*points[1:], points[0]):
        twice += x1 * y2 - x2 * y1
        x1, y1 = x2, y2
    return abs(twice) / 2


def _side(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """True when the open segments ab and cd cross; touching ends do not count."""
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _crossing_edges(points: tuple[Point, ...]) -> tuple[int, int] | None:
    n = len(points)
    for i in range(n):
        for j in range(i + 2, n):
            if (i, j) != (0, n - 1) and _cross(points[i], points[(i + 1) % n], points[j], points[(j + 1) % n]):
                return i, j
    return None


def _polygon(points: tuple[Point, ...]) -> tuple[Point, ...]:
    if len(points) > 1 and points[0] == points[-1]:
        points = points[:-1]  # closed polygons are written by many drawing tools
    if len(points) < 3:
        raise problem("polygon_points", "expected at least 3 different points", str(len(points)), _SQUARE_HINT)
    if len(points) > MAX_ZONE_POINTS:
        raise problem("polygon_points", f"expected at most {MAX_ZONE_POINTS} points", str(len(points)))
    for index, (x, y) in enumerate(points):
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            hint = "divide by the picture's width and height" if max(x, y) > 2 else _SQUARE_HINT
            raise problem("polygon_inside", "expected points inside 0..1", f"point {index} = [{x:g}, {y:g}]", hint)
    crossing = _crossing_edges(points)
    if crossing:
        first, second = crossing
        raise problem(
            "polygon_crossing",
            "expected edges that do not cross",
            f"edge {first}-{(first + 1) % len(points)} crossing edge {second}-{(second + 1) % len(points)}",
            "list the corners in order, walking round the zone",
        )
    if polygon_area(points) < 1e-5:
        raise problem("polygon_area", "expected a zone with an area", "points on one line or one spot", _SQUARE_HINT)
    return points


Polygon = Annotated[
    tuple[tuple[float, float], ...],
    AfterValidator(_polygon),
    Field(
        description="Corners [x, y] in order, 0..1 of the picture, origin top left; at least 3, edges must not cross."
    ),
]


def redact_url(url: str) -> str:
    """The URL without user, password, or telling values in query and path; for all that is printed or stored."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return f"{REDACTED}@{url.rpartition('@')[2]}" if "@" in url else url
    if "@" in rest:
        # The last @ decides: a password with a raw / or ? in it would else show up as path or query.
        rest = f"{REDACTED}@{rest.rpartition('@')[2]}"
    try:
        parts = urlsplit(f"{scheme}{separator}{rest}")
    except ValueError:
        return REDACTED
    netloc, path = parts.netloc, _SECRET_IN_PATH.sub(rf"\g<1>{REDACTED}", parts.path)
    if not parts.query:
        return urlunsplit((parts.scheme, netloc, path, "", ""))
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    shown = (f"{name}={REDACTED if _SECRET_NAMES.search(name) else quote(value)}" for name, value in pairs)
    query = "&".join(shown) if pairs else REDACTED
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def address_key(url: str) -> str:
    """What two URLs of one stream have in common, however they are written: no login, host in small letters, the
    scheme's own port spelt out. The query stays as it is: a gateway may tell its streams apart by it. Never show it."""
    if not url.lower().startswith("rtsp"):
        return url
    try:
        parts = urlsplit(url)
        port = parts.port or _USUAL_PORTS.get(parts.scheme)
    except ValueError:
        return url
    return repr((parts.scheme, parts.hostname, port, parts.path or "/", parts.query, parts.fragment))


class SecretUrl:
    """An address that may hold a password. `str`, `repr` and every dump are redacted; `reveal()` is for the one caller
    that connects.
    """

    __slots__ = ("_url",)
    expected: ClassVar[str] = "a URL"
    example: ClassVar[str] = ""

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        """The address with its password. Never print it, log it or put it on a command line."""
        return self._url

    @property
    def scheme(self) -> str:
        """The part before the first colon, in small letters."""
        return self._url.partition(":")[0].lower()

    def __str__(self) -> str:
        return redact_url(self._url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, SecretUrl) and other._url == self._url

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._url))

    @classmethod
    def checked(cls, value: str, _base: Path | None) -> SecretUrl:
        """Build from what was written; `_base`: folder of the file it was written in. Raises `problem(...)`."""
        return cls(value)

    @classmethod
    def _validate(cls, value: object, info: ValidationInfo) -> SecretUrl:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or not value.strip():
            raise problem("url", f"expected {cls.expected}", _kind_of(value), cls.example)
        return cls.checked(value.strip(), base_of(info))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: type[Any], _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "examples": [cls.example]}


def _kind_of(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return kinds.get(type(value), "something else")


def like(pattern: str, words: str, example: str) -> AfterValidator:
    """A text that must match a pattern; a refusal says it in words and gives an example."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise problem("pattern", f"expected {words}", f'"{value[:60]}"', example)
        return value

    return AfterValidator(check)


CentreKey = Annotated[
    str,
    like(
        r"ed25519:[A-Za-z0-9+/]{43}=",
        "a public key of the centre, as `xueliang-centre signing-key` prints it",
        "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
]


def base_of(info: ValidationInfo) -> Path | None:
    """The folder of the file being read, when `loading` reads one: relative paths in it start there."""
    base = info.context.get("base") if isinstance(info.context, dict) else None
    return base if isinstance(base, Path) else None


def _beside_file(value: object, info: ValidationInfo) -> object:
    base = base_of(info)
    if base is None or not isinstance(value, str | Path) or not str(value):
        return value
    path = Path(value).expanduser()
    return path if path.is_absolute() else base / path


PathBesideFile = Annotated[Path, BeforeValidator(_beside_file)]
"""A path; a relative one starts at the folder of the settings file."""


def _split(value: str, schemes: tuple[str, ...], example: str, expected: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        hint = "write the password as ${NAME}: what it holds is then escaped for you"
        raise problem("url", f"expected {expected}", "an address that cannot be read", hint) from None
    if parts.scheme not in schemes:
        words = " or ".join(schemes)
        raise problem("url_scheme", f"scheme must be {words}", f'"{parts.scheme or "no scheme"}"', example)
    if not parts.hostname:
        raise problem("url_host", "expected a host name after //", f'"{redact_url(value)}"', example)
    if port == 0:
        raise problem("url_port", "expected a port from 1 to 65535", "0", example)
    return parts


def http_parts(value: str, example: str, expected: str) -> SplitResult:
    """The parts of an https or http address. Raises `problem(...)`."""
    return _split(value, ("https", "http"), example, expected)


class CameraUrl(SecretUrl):
    """Where a camera's pictures come from: `rtsp://`, `rtsps://`, or `file:` for a recording."""

    __slots__ = ()
    expected = "an rtsp:// or rtsps:// address, or file:clip.mp4"
    example = "rtsp://user:${CAM_PASSWORD}@10.0.0.9/stream1"

    @classmethod
    def checked(cls, value: str, _base: Path | None) -> CameraUrl:
        """See `SecretUrl.checked`. A relative `file:` path starts at the settings file's folder."""
        if value.lower().startswith("file:"):
            return cls(f"file:{_recording(value[5:], _base)}")
        _split(value, ("rtsp", "rtsps"), cls.example.replace("user:${CAM_PASSWORD}@", ""), cls.expected)
        return cls(value)


def _recording(written: str, base: Path | None) -> Path:
    written = written.removeprefix("//") if written.startswith("///") else written
    if not written or written.startswith("//"):
        raise problem("url_file", "expected a path after file:", f'"file:{written}"', "file:clips/lane.mp4")
    path = Path(written)
    return path if path.is_absolute() or base is None else base / path


class CentreUrl(SecretUrl):
    """The centre's HTTP address."""

    __slots__ = ()
    expected = "an http:// or https:// address"
    example = "http://127.0.0.1:8000"

    @classmethod
    def checked(cls, value: str, _base: Path | None) -> CentreUrl:
        """See `SecretUrl.checked`."""
        parts = _split(value, ("http", "https"), cls.example, cls.expected)
        if "@" in parts.netloc:
            raise problem("url_userinfo", "expected no user or password in this address", "", "put it into token")
        return cls(value.rstrip("/"))


class DatabaseUrl(SecretUrl):
    """The centre's database: SQLite in a file, or PostgreSQL. May hold a password."""

    __slots__ = ()
    expected = "sqlite:///PATH or postgresql+asyncpg://user:password@host/name"
    example = "sqlite:///{data_dir}/centre.db"

    @classmethod
    def checked(cls, value: str, _base: Path | None) -> DatabaseUrl:
        """See `SecretUrl.checked`."""
        if value.startswith(("sqlite:///", "sqlite+aiosqlite:///")):
            return cls(value)
        hint = "postgresql+asyncpg://centre:${DB_PASSWORD}@127.0.0.1/centre"
        _split(value, ("postgresql+asyncpg", "postgresql", "sqlite"), hint, cls.expected)
        return cls(value)
