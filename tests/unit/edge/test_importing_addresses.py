"""Addresses: what is written holds no secret, what is opened is what the table says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_configs.loading import load_node
from xueliang_edge.importing.addresses import Address, AddressProblem, address_of

PREFIX = "CAM_GATE_3"


def taken(url: str, user: str = "", password: str = "", environment: dict[str, str] | None = None) -> Address:
    return address_of(
        url, user=user, password=password, prefix=PREFIX, login_prefix=PREFIX, environment=environment or {}
    )


@pytest.mark.parametrize(
    ("url", "user", "password", "written", "secrets"),
    [
        pytest.param("rtsp://10.0.0.9/s1", "", "", "rtsp://10.0.0.9/s1", {}, id="none"),
        pytest.param(
            "RTSP://admin:canary@10.0.0.9:554/s1",
            "",
            "",
            "rtsp://${CAM_GATE_3_USER}:${CAM_GATE_3_PASSWORD}@10.0.0.9:554/s1",
            {"CAM_GATE_3_USER": "admin", "CAM_GATE_3_PASSWORD": "canary"},
            id="in the address",
        ),
        pytest.param(
            "rtsp://10.0.0.9/s1",
            "admin",
            "ca/na@ry:1",
            "rtsp://${CAM_GATE_3_USER}:${CAM_GATE_3_PASSWORD}@10.0.0.9/s1",
            {"CAM_GATE_3_USER": "admin", "CAM_GATE_3_PASSWORD": "ca/na@ry:1"},
            id="in columns",
        ),
        pytest.param(
            "rtsp://admin:ca%2Fnary@10.0.0.9/s1",
            "",
            "",
            "rtsp://${CAM_GATE_3_USER}:${CAM_GATE_3_PASSWORD}@10.0.0.9/s1",
            {"CAM_GATE_3_USER": "admin", "CAM_GATE_3_PASSWORD": "ca/nary"},
            id="escaped",
        ),
        pytest.param(
            "rtsp://admin@10.0.0.9/s1",
            "",
            "",
            "rtsp://${CAM_GATE_3_USER}@10.0.0.9/s1",
            {"CAM_GATE_3_USER": "admin"},
            id="user alone",
        ),
        pytest.param(
            "rtsp://h/s1?channel=1&token=canary%3D&sign=canary2",
            "",
            "",
            "rtsp://h/s1?channel=1&token=${CAM_GATE_3_TOKEN}&sign=${CAM_GATE_3_SIGN}",
            {"CAM_GATE_3_TOKEN": "canary%3D", "CAM_GATE_3_SIGN": "canary2"},
            id="in the query",
        ),
        pytest.param(
            "rtsp://h/s1?token=canary&token=canary2",
            "",
            "",
            "rtsp://h/s1?token=${CAM_GATE_3_TOKEN}&token=${CAM_GATE_3_TOKEN2}",
            {"CAM_GATE_3_TOKEN": "canary", "CAM_GATE_3_TOKEN2": "canary2"},
            id="twice in the query",
        ),
        pytest.param(
            "rtsp://h/user=a_password=canary_channel=1_stream=0.sdp",
            "",
            "",
            "rtsp://h/user=a_password=${CAM_GATE_3_PATH}_channel=1_stream=0.sdp",
            {"CAM_GATE_3_PATH": "canary"},
            id="in the path",
        ),
        pytest.param(
            "rtsp://h:554/openUrl/canary",
            "",
            "",
            "rtsp://h:554/openUrl/${CAM_GATE_3_PATH}",
            {"CAM_GATE_3_PATH": "canary"},
            id="ticket",
        ),
    ],
)
def test_secrets_become_references(url: str, user: str, password: str, written: str, secrets: dict[str, str]) -> None:
    address = taken(url, user, password)
    assert address.written == written
    assert {name: value.get_secret_value() for name, value in address.secrets.items()} == secrets
    assert "canary" not in f"{address} {address!r} {address.opened}"


def test_a_reference_of_the_table_stays_and_is_looked_up() -> None:
    address = taken("rtsp://10.0.0.9/s1", "viewer", "${VILLAGE_PASSWORD}", {"VILLAGE_PASSWORD": "ca/nary"})
    assert address.written == "rtsp://${CAM_GATE_3_USER}:${VILLAGE_PASSWORD}@10.0.0.9/s1"
    assert address.references == {"VILLAGE_PASSWORD"}
    assert address.opened.reveal() == "rtsp://viewer:ca%2Fnary@10.0.0.9/s1"
    whole = taken("rtsp://${U}:${P}@10.0.0.9/s1?token=${T}", environment={"U": "u", "P": "p@", "T": "t@"})
    assert whole.written == "rtsp://${U}:${P}@10.0.0.9/s1?token=${T}"
    assert whole.opened.reveal() == "rtsp://u:p%40@10.0.0.9/s1?token=t@"


@given(
    user=st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=20),
    password=st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=20),
)
def test_read_back_by_the_settings_it_is_what_was_opened(
    user: str, password: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        address = taken("rtsp://10.0.0.9/s1?channel=1", user, password)
    except AddressProblem:
        assert "${" in user + password
        return
    assert _settings_read(address, tmp_path_factory.getbasetemp()) == address.opened.reveal()


def _settings_read(address: Address, folder: Path) -> str:
    path = folder / "node.yaml"
    path.write_text(
        "node: {node_id: edge-01, data_dir: data}\n"
        f"cameras:\n  - {{camera_id: gate-3, name: gate, url: '{address.written}'}}\n"
    )
    environment = {name: value.get_secret_value() for name, value in address.secrets.items()}
    return load_node(path, environment).cameras[0].url.reveal()


@pytest.mark.parametrize(
    ("url", "user", "password", "column", "said"),
    [
        ("http://h/s", "", "", "url", 'expected an rtsp:// or rtsps:// address, got "http"'),
        ("10.0.0.9/s1", "", "", "url", 'got "no scheme"'),
        ("rtsp://admin:can/ary@10.0.0.9/s1", "", "", "url", 'expected no "@" behind the host'),
        ("rtsp://admin:can#ary@10.0.0.9/s1", "", "", "url", 'expected no "@" behind the host'),
        ("rtsp://admin:canary@10.0.0.9/s1", "admin", "canary", "url", "expected the login once"),
        ("rtsp://10.0.0.9/s1", "", "canary", "user", "expected a user beside the password"),
        ("rtsp://10.0.0.9/s 1", "", "", "url", "without spaces"),
        ("rtsp://10.0.0.9:port/s1", "", "", "url", "expected an rtsp:// or rtsps:// address"),
        ("rtsp:///s1", "", "", "url", "expected a host name after //"),
        ("rtsp://10.0.0.9", "", "", "url", "expected the path of a stream behind 10.0.0.9"),
        ("rtsp://10.0.0.9/s1", "admin", "${NOT_SET}", "password", "environment variable NOT_SET is not set"),
        ("rtsp://10.0.0.9/s1", "admin", "a${NOT_SET}b", "password", "expected ${NAME} alone"),
        ("rtsp://10.0.0.9/s1", "admin", "can\nary", "password", "control characters"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused_without_its_secret(
    url: str, user: str, password: str, column: str, said: str
) -> None:
    with pytest.raises(AddressProblem) as refused:
        taken(url, user, password)
    assert refused.value.column == column
    assert said in refused.value.text
    assert "canary" not in refused.value.text + refused.value.hint
    assert "ary" not in refused.value.text


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("rtsp://u:p@H:554/s", "rtsp://h/s", True),
        ("rtsps://h/s", "rtsps://h:322/s", True),
        ("rtsp://h/s?channel=1", "rtsp://h/s?channel=2", False),
        ("rtsp://h/s", "rtsp://h:8554/s", False),
    ],
)
def test_the_same_stream_is_known_again(one: str, other: str, are_same: bool) -> None:
    assert (taken(one).spot == taken(other).spot) is are_same
