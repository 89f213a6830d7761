"""What `deploy/` ships is what the program takes: files that exist, variables that are read, commands that parse."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml

from tests.support.fixtures import REPOSITORY
from xueliang_central.cli import _parser
from xueliang_configs.centre import ALL_ROLES, one_process
from xueliang_configs.loading import load_centre, load_policies

DEPLOY = REPOSITORY / "deploy"
COMPOSE = DEPLOY / "compose"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TEMPLATES = sorted((DEPLOY / "systemd").glob("*@.service"))
OWN_IMAGE = "xueliang-centre"
OUTSIDE = ("database", "centre-data", "broker-data")  # volumes
OF_THE_OPERATOR = "./secrets/"  # certificates and passwords: docs/deploying.md says how they are made
SHIPPED = {"centre": "systemd", "compose": "compose"}
READ_BY_OTHERS = {  # by the images' own programs
    "postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"},
}
SECRETS = {"XUELIANG_DB_PASSWORD": "d", "XUELIANG_CENTRE_BROKER_PASSWORD": "b"}


@pytest.fixture
def compose() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return value


def load(folder: str, tmp_path: Path) -> Any:
    """A shipped centre.yaml, beside the policies that the documents name, as it lies on a machine."""
    shutil.copy(DEPLOY / folder / "centre.yaml", tmp_path)
    shutil.copy(REPOSITORY / "configs/examples/policies.yaml", tmp_path)
    return load_centre(tmp_path / "centre.yaml", SECRETS)


def variables(text: str) -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)[}:]", text))


@pytest.mark.parametrize("folder", SHIPPED)
def test_the_real_loader_takes_the_settings(folder: str, tmp_path: Path) -> None:
    config = load(folder, tmp_path)
    load_policies(config.centre.policies)
    assert config.centre.database_url.startswith("postgresql+asyncpg://centre:d@")
    for role in ALL_ROLES:
        assert one_process(config, roles=[role], port=None).centre.roles == (role,)
    assert one_process(config, roles=None, port=8001).centre.http.port == 8001


@pytest.mark.parametrize("folder", SHIPPED)
def test_a_missing_secret_is_said(folder: str, tmp_path: Path) -> None:
    from xueliang_configs.errors import ConfigError

    load(folder, tmp_path)
    for name in SECRETS:
        with pytest.raises(ConfigError, match=name):
            load_centre(tmp_path / "centre.yaml", {key: value for key, value in SECRETS.items() if key != name})


def own_services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in compose["services"].items() if one["image"] == OWN_IMAGE}


def test_every_role_is_there_and_its_command_parses(compose: dict[str, Any]) -> None:
    roles: list[str] = []
    for name, service in own_services(compose).items():
        options = _parser().parse_args(["--config", "/etc/xueliang/centre.yaml", *service["command"]])
        assert options.command == "serve", name
        roles += options.role
        assert name.rpartition("-")[0] in options.role
    assert sorted(roles) == ["api", "api", "ingest", "ingest", "worker"]


def test_what_is_mounted_exists_and_what_is_named_is_declared(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for mount in service.get("volumes", ()):
            source, target, *how = mount.split(":")
            if source in compose["volumes"]:
                continue
            assert how == ["ro"], f"{name}: {mount} must be mounted read-only"
            assert target.startswith("/")
            if not source.startswith(OF_THE_OPERATOR):
                assert (COMPOSE / source).is_file(), f"{name} mounts {source}, which is not there"
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("depends_on", ())) <= set(compose["services"]), name
    assert set(compose["volumes"]) == set(OUTSIDE)


def test_who_is_waited_for_says_whether_it_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for the health of {other}, which has no check"
    for name in ("api-1", "api-2"):
        command = services[name]["healthcheck"]["test"]
        assert command[0] == "CMD"
        compile(command[-1], name, "exec")
        assert "/api/health" in command[-1]


def test_every_variable_is_read_by_what_it_is_given_to(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = variables((COMPOSE / "centre.yaml").read_text())
    for name, service in own_services(compose).items():
        given = set(service["environment"])
        assert read <= given, f"{name} lacks {read - given}"
        assert given - read <= {"FORWARDED_ALLOW_IPS"}, f"{name} is given what nothing reads"
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "172.30.77.0/24")
    assert uvicorn.Config(lambda: None).forwarded_allow_ips == "172.30.77.0/24"  # type: ignore[arg-type,return-value]
    assert set(compose["services"]["postgres"]["environment"]) == READ_BY_OTHERS["postgres"]
    wanted = variables((COMPOSE / "compose.yaml").read_text())
    assert wanted == set(re.findall(r"^([A-Z_]+)=$", (COMPOSE / "env.example").read_text(), re.MULTILINE))
    assert load("compose", tmp_path).centre.data_dir == Path("/var/lib/xueliang/centre")


def test_addresses_of_the_settings_are_services(compose: dict[str, Any], tmp_path: Path) -> None:
    centre = load("compose", tmp_path).centre
    assert str(centre.broker.host) in compose["services"]
    host = re.search(r"@([^/]+)/", centre.database_url)
    assert host is not None
    assert host[1] in compose["services"]
    upstream = re.findall(r"server ([\w-]+):(\d+);", (COMPOSE / "upstream.conf").read_text())
    api = [(name, str(centre.http.port)) for name in own_services(compose) if name.startswith("api")]
    assert upstream == api * 2  # for all, and for live view


def test_only_the_proxy_and_the_brokers_tls_port_are_published(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"proxy": ["80:80", "443:443"], "mosquitto": ["8883:8883"]}
    assert compose["networks"]["inside"]["internal"] is True


def test_the_brokers_settings_differ_in_addresses_only() -> None:
    def settings(path: Path) -> set[str]:
        lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
        apart = ("listener", "persistence_location", "cafile", "certfile", "keyfile", "tls_version", "max_connections")
        return {line for line in lines if not line.startswith(apart)}

    assert settings(COMPOSE / "mosquitto.conf") == settings(DEPLOY / "mosquitto/mosquitto.conf")


def test_the_image_is_made_from_files_that_are_there() -> None:
    text = (COMPOSE / "Containerfile").read_text()
    for name in re.findall(r"(locks/[\w.]+|hatch_build\.py)", text):
        assert (REPOSITORY / name).is_file(), name
    assert not re.search(r"https?://|index-url", text), "the builder's own pip and npm know where packages come from"
    assert text.count("FROM python:") == 2
    (entry,) = re.findall(r"^ENTRYPOINT \[(.+)\]$", text, re.MULTILINE)
    program, *arguments = [word.strip(' "') for word in entry.split(",")]
    assert program.endswith("/xueliang-centre")
    assert _parser().parse_args([*arguments, "serve"]).command == "serve"
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


def locked(name: str) -> dict[str, set[str]]:
    """ "name==version" and what it may hash to."""
    found: dict[str, set[str]] = {}
    current = ""
    for line in (REPOSITORY / "locks" / name).read_text().splitlines():
        if match := re.match(r"([\w.-]+==[^ ;\\]+)", line):
            current = match[1]
            found.setdefault(current, set())
        if match := re.search(r"--hash=(\S+)", line):
            found[current].add(match[1])
    return found


def test_the_image_runs_what_is_tested() -> None:
    centre, tested = locked("centre.txt"), locked("development.txt")
    assert {name: tested.get(name) for name in centre} == centre
    assert not [name for name in centre if name.startswith(("opencv", "onnxruntime", "av=="))]


@pytest.mark.parametrize("unit", TEMPLATES, ids=lambda path: path.name)
def test_a_template_runs_one_role_of_the_program(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
    options = _parser().parse_args(str(line).replace("%i", "8001").split()[1:])
    assert options.role == [unit.name.removeprefix("xueliang-").removesuffix("@.service")]
    assert options.port == (8001 if options.role == ["api"] else None)


def test_units_of_the_centre_are_hardened_alike() -> None:
    whole = (DEPLOY / "systemd/xueliang-centre.service").read_text()
    hardening = set(whole[whole.index("StateDirectory=") : whole.index("[Install]")].split("\n"))
    for unit in TEMPLATES:
        assert hardening <= set(unit.read_text().split("\n")), unit.name
    backup = set((DEPLOY / "systemd/xueliang-backup.service").read_text().split("\n"))
    assert hardening - backup == {"LimitNOFILE=8192"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_reads_the_unit(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    text = re.sub(r"(?m)^(Exec\w+)=\S+", rf"\1={shutil.which('true')}", unit.read_text())  # ours is not installed here
    name = unit.name.replace("@", "@8001")
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        [program, "verify", str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=False
    )
    told = [line for line in done.stderr.splitlines() if name in line]
    assert (told, done.returncode) == ([], 0), done.stderr


@pytest.mark.parametrize("script", sorted((DEPLOY / "backup").glob("*.sh")), ids=lambda path: path.name)
def test_a_script_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=30)
    wrong = subprocess.run(["bash", str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert (wrong.returncode, wrong.stderr) == (
        2,
        f"usage: {script.name} {'FOLDER' if script.stem == 'backup' else 'BACKUP'}\n",
    )
