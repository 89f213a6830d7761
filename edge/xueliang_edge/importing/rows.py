"""Rows of a table to cameras that can be looked at: every cell checked, every problem kept. Pure.

A row with a problem gives no camera; the others go on, so that one look at the table finds everything there is.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from xueliang_configs.areas import AreaCode
from xueliang_configs.cameras import Datum, RegisterNote
from xueliang_configs.values import Name, PlaceClass, PlainId
from xueliang_edge.importing.addresses import Address, AddressProblem, address_of
from xueliang_edge.importing.columns import REQUIRED, SECRET, Column, datum_of, place_of
from xueliang_edge.importing.tables import Row, RowProblem, Table

_Value = TypeVar("_Value")
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_ID: Final[TypeAdapter[str]] = TypeAdapter(PlainId)
_AREA: Final[TypeAdapter[str]] = TypeAdapter(AreaCode)
_NOTE: Final[TypeAdapter[str]] = TypeAdapter(RegisterNote)
_ID_DIGITS: Final = 10  # of a hash: one clash in 30,000 cameras with a chance of 1 in 2,000
_ID_LETTERS: Final = 40


@dataclass(frozen=True, slots=True)
class WantedCamera:
    """One camera of the table, ready to be looked at."""

    row: int
    camera_id: str
    name: str
    main: Address
    sub: Address | None
    datum: Datum
    longitude: float
    latitude: float
    area_code: str | None
    place_class: PlaceClass
    purpose: str | None
    legal_basis: str | None
    node: str | None


def wanted_cameras(
    table: Table,
    *,
    bulk: Mapping[Column, str],
    nodes: Sequence[str],
    environment: Mapping[str, str],
) -> tuple[list[WantedCamera], list[RowProblem]]:
    """The cameras of all sound rows, and every problem of the others, by row.

    Args:
        bulk: what an empty cell of a column means.
        nodes: which may be named in the column node.
        environment: where `${NAME}` of the table is looked up.
    """
    problems = list(table.problems)
    spoilt = {problem.row for problem in problems}
    cameras: list[WantedCamera] = []
    for row in table.rows:
        reading = _Reading(row, bulk, nodes, environment)
        camera = reading.camera()
        problems += reading.problems
        if camera is not None and row.number not in spoilt:
            cameras.append(camera)
    repeated = list(_repeated(cameras))
    problems += repeated
    bad = {problem.row for problem in repeated}
    return [camera for camera in cameras if camera.row not in bad], sorted(problems, key=lambda problem: problem.row)


def made_id(name: str, area_code: str | None) -> str:
    """An id for a camera that has none: the same for the same name and area, whenever it is imported.

    What can be read of the name in front; Chinese names leave nothing, hence the hash.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_ID_LETTERS].strip("-")
    digits = hashlib.sha256(f"{area_code or ''}\n{name}".encode()).hexdigest()[:_ID_DIGITS]
    return f"{plain or 'cam'}-{digits}"


def variable_prefix(camera_id: str) -> str:
    """Begins the names of a camera's environment variables."""
    return f"CAM_{camera_id.upper().replace('-', '_')}"


class _Reading:
    """One row. Each method reads one column, notes what is wrong, and gives None then."""

    def __init__(
        self, row: Row, bulk: Mapping[Column, str], nodes: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self._row, self._nodes, self._environment = row, nodes, environment
        self._cells = {**bulk, **row.cells}
        if "://" in self._cells.get(Column.URL, "") and "@" in self._cells[Column.URL]:
            for column in SECRET - set(row.cells):
                self._cells.pop(column, None)  # a login of its own counts more than the one for all
        self.problems: list[RowProblem] = []

    def camera(self) -> WantedCamera | None:
        """None: there was a problem, or several."""
        for column in REQUIRED:
            if not self._cells.get(column):
                self._wrong(column, "expected a value, got nothing", _NEEDED.get(column, ""))
        name, area = self._checked(Column.NAME, _NAME), self._checked(Column.AREA_CODE, _AREA, _area_hint)
        camera_id = self._checked(Column.CAMERA_ID, _ID) or made_id(name or "", area)
        main, sub = self._address(Column.URL, camera_id), self._address(Column.SUB_URL, camera_id)
        if main and sub and main.spot == sub.spot:
            self._wrong(Column.SUB_URL, "expected another address than url's, got the same", "leave it empty")
        longitude = self._degrees(Column.LONGITUDE, 180)
        latitude = self._degrees(Column.LATITUDE, 90)
        if longitude == latitude == 0:
            self._wrong(Column.LONGITUDE, "expected a place, got 0, 0, which lies in the sea")
        datum = self._word(Column.DATUM, datum_of, "wgs84, gcj02 or bd09")
        place = self._word(Column.PLACE_CLASS, place_of, ", ".join(PlaceClass)) or PlaceClass.OTHER
        purpose, basis = self._checked(Column.PURPOSE, _NOTE), self._checked(Column.LEGAL_BASIS, _NOTE)
        node = self._node()
        if self.problems or not name or main is None or datum is None or longitude is None or latitude is None:
            return None
        return WantedCamera(
            self._row.number,
            camera_id,
            name,
            main,
            sub,
            datum,
            longitude,
            latitude,
            area,
            place,
            purpose,
            basis,
            node,
        )

    def _wrong(self, column: Column | str, text: str, hint: str = "") -> None:
        self.problems.append(RowProblem(self._row.number, str(column), text, hint))

    def _checked(
        self, column: Column, adapter: TypeAdapter[str], hint_of: Callable[[str], str] | None = None
    ) -> str | None:
        text = self._cells.get(column)
        if not text:
            return None
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            first: Any = error.errors(include_url=False)[0]
            hint = (hint_of(text) if hint_of else "") or str(first.get("ctx", {}).get("hint", ""))
            self._wrong(column, _in_words(first, text), hint)
            return None

    def _address(self, column: Column, camera_id: str) -> Address | None:
        url = self._cells.get(column)
        if not url:
            return None
        user, password = self._cells.get(Column.USER, ""), self._cells.get(Column.PASSWORD, "")
        login_prefix = variable_prefix(camera_id)
        prefix = login_prefix + ("_SUB" if column is Column.SUB_URL else "")
        if column is Column.SUB_URL and "@" in url.partition("://")[2].partition("/")[0]:
            user, password, login_prefix = "", "", prefix
        try:
            return address_of(
                url,
                user=user,
                password=password,
                prefix=prefix,
                login_prefix=login_prefix,
                environment=self._environment,
            )
        except AddressProblem as problem:
            at = column if problem.column == "url" else problem.column
            if not any(str(one.column) == str(at) for one in self.problems):
                self._wrong(at, problem.text, problem.hint)
            return None

    def _degrees(self, column: Column, limit: int) -> float | None:
        text = self._cells.get(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if abs(value) <= limit:
            return value
        hint = "decimal degrees with a point, for example 117.0215"
        if limit == 90 and 90 < abs(value) <= 180:
            hint = "are longitude and latitude exchanged?"
        self._wrong(column, f'expected degrees from -{limit} to {limit}, got "{text[:40]}"', hint)
        return None

    def _word(self, column: Column, meaning: Callable[[str], _Value | None], expected: str) -> _Value | None:
        text = self._cells.get(column)
        if not text:
            return None
        found = meaning(text)
        if found is None:
            self._wrong(column, f'expected one of {expected}, got "{text[:40]}"')
        return found

    def _node(self) -> str | None:
        node = self._cells.get(Column.NODE)
        if node and node not in self._nodes:
            self._wrong(
                Column.NODE, f'expected one of {", ".join(self._nodes)}, got "{node[:40]}"', f"--node {node[:63]}"
            )
        return node or None


_NEEDED: Final = {
    Column.DATUM: "say what the coordinates are measured against, in a column or by --set datum=gcj02 (Amap, Tencent), "
    "bd09 (Baidu) or wgs84 (GPS)",
    Column.URL: "rtsp://10.0.0.9/stream1",
}


def _area_hint(text: str) -> str:
    if re.fullmatch(r"\d(\.\d+)?[eE]\+?\d+", text):
        return "the spreadsheet has shortened it: format the column as text and type the code again"
    return ""


def _in_words(error: Any, text: str) -> str:
    if str(error["type"]).startswith("configs_"):
        return str(error["msg"])
    limit = error.get("ctx", {}).get("max_length")
    return f"expected at most {limit} characters, got {len(text)}" if limit else f'{error["msg"]}, got "{text[:40]}"'


def _repeated(cameras: Sequence[WantedCamera]) -> Iterator[RowProblem]:
    """Ids and streams that an earlier row has."""
    ids: dict[str, int] = {}
    spots: dict[str, int] = {}
    for camera in cameras:
        if camera.camera_id in ids:
            text = f'"{camera.camera_id}" is used twice, first by row {ids[camera.camera_id]}'
            yield RowProblem(camera.row, Column.CAMERA_ID, text, "write an id of its own into the column camera_id")
        ids.setdefault(camera.camera_id, camera.row)
        for column, address in ((Column.URL, camera.main), (Column.SUB_URL, camera.sub)):
            if address is None:
                continue
            first = spots.setdefault(address.spot, camera.row)
            if first != camera.row:
                text = f"{address.opened} is read twice, first by row {first}"
                yield RowProblem(camera.row, column, text, "keep one row a camera; its rules go into one place")
