"""The columns of a camera table, and the words that people use for them and in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from xueliang_configs.cameras import Datum
from xueliang_configs.values import PlaceClass


class Column(StrEnum):
    """What a table may say of a camera."""

    NAME = "name"
    CAMERA_ID = "camera_id"
    URL = "url"
    SUB_URL = "sub_url"
    USER = "user"
    PASSWORD = "password"  # noqa: S105 - the name of a column
    DATUM = "datum"
    LONGITUDE = "longitude"
    LATITUDE = "latitude"
    AREA_CODE = "area_code"
    PLACE_CLASS = "place_class"
    PURPOSE = "purpose"
    LEGAL_BASIS = "legal_basis"
    NODE = "node"


REQUIRED: Final = (Column.NAME, Column.URL, Column.DATUM, Column.LONGITUDE, Column.LATITUDE)
IN_BULK: Final = (
    Column.USER,
    Column.PASSWORD,
    Column.DATUM,
    Column.AREA_CODE,
    Column.PLACE_CLASS,
    Column.PURPOSE,
    Column.LEGAL_BASIS,
    Column.NODE,
)
"""What may be the same for a whole table: `--set`."""
SECRET: Final = frozenset({Column.USER, Column.PASSWORD})

_HEADERS: Final[Mapping[Column, tuple[str, ...]]] = {
    Column.NAME: ("camera name", "名称", "摄像机名称", "摄像头名称", "点位名称", "点位"),
    Column.CAMERA_ID: ("id", "camera", "编号", "摄像机编号", "摄像头编号", "点位编号"),
    Column.URL: ("main url", "main", "rtsp", "rtsp url", "main stream", "地址", "主码流", "主码流地址", "rtsp地址"),
    Column.SUB_URL: ("sub", "sub stream", "子码流", "子码流地址", "辅码流", "辅码流地址"),
    Column.USER: ("username", "user name", "login", "用户", "用户名", "账号"),
    Column.PASSWORD: ("pass", "pwd", "密码", "口令"),
    Column.DATUM: ("coordinate system", "crs", "坐标系", "坐标系统", "坐标类型"),
    Column.LONGITUDE: ("lon", "lng", "long", "经度"),
    Column.LATITUDE: ("lat", "纬度"),
    Column.AREA_CODE: ("grid", "area", "grid code", "网格", "网格编码", "网格编号", "区域编码", "行政区划代码"),
    Column.PLACE_CLASS: ("place", "场所", "场所类型", "场所类别"),
    Column.PURPOSE: ("用途", "目的", "使用目的"),
    Column.LEGAL_BASIS: ("basis", "legal", "依据", "法律依据", "设置依据"),
    Column.NODE: ("node_id", "edge node", "节点", "边缘节点"),
}
_DATUMS: Final[Mapping[str, Datum]] = {
    "wgs84": Datum.WGS84,
    "gps": Datum.WGS84,
    "epsg4326": Datum.WGS84,
    # China's own datum of 2000: some centimetres from WGS84.
    "cgcs2000": Datum.WGS84,
    "国家2000": Datum.WGS84,
    "gcj02": Datum.GCJ02,
    "火星坐标": Datum.GCJ02,
    "火星坐标系": Datum.GCJ02,
    "高德": Datum.GCJ02,
    "腾讯": Datum.GCJ02,
    "bd09": Datum.BD09,
    "百度": Datum.BD09,
    "百度坐标": Datum.BD09,
}
_PLACES: Final[Mapping[str, PlaceClass]] = {
    **{place.value: place for place in PlaceClass},
    "居民区": PlaceClass.RESIDENTIAL,
    "小区": PlaceClass.RESIDENTIAL,
    "学校": PlaceClass.SCHOOL,
    "医院": PlaceClass.HOSPITAL,
    "商场": PlaceClass.MALL,
    "街道": PlaceClass.STREET,
    "道路": PlaceClass.STREET,
    "工厂": PlaceClass.INDUSTRIAL,
    "厂区": PlaceClass.INDUSTRIAL,
    "景区": PlaceClass.SCENIC,
    "其他": PlaceClass.OTHER,
}


def _plain(text: str) -> str:
    """For comparing: one width, small letters, no separators."""
    return re.sub(r"[\s_\-()./:*#]+", "", unicodedata.normalize("NFKC", text).lower())


_BY_HEADER: Final = {
    _plain(word): column for column, words in _HEADERS.items() for word in (column.value, column.value + "s", *words)
}


def column_of(header: str) -> Column | None:
    """The column a heading means; None: none that is known."""
    return _BY_HEADER.get(_plain(header))


def headers() -> list[str]:
    """All headings that are known, for hints."""
    return [column.value for column in Column]


def datum_of(text: str) -> Datum | None:
    """None: not a datum that is known."""
    return _DATUMS.get(_plain(text))


def place_of(text: str) -> PlaceClass | None:
    """None: not a class that is known."""
    return _PLACES.get(_plain(text))
