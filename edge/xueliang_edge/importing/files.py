"""What an import writes: settings of each node, the centre's register, stills, and passwords only when asked.

Invariants
    - Each file is whole or not there, and readable by the owner only; the register, which the centre takes, comes last.
    - What is there already is not replaced unless told so: a list of cameras may have got its rules by hand.
    - No secret is in any file but the environment file, and that one is only written when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from xueliang_edge.background import write_atomically
from xueliang_edge.errors import ImportRefused
from xueliang_edge.evidence.stills import Still
from xueliang_edge.importing.planning import ImportPlan, PlannedCamera, by_node

REGISTER: Final = "cameras.yaml"
STILLS: Final = "stills"


def write_plan(plan: ImportPlan, folder: Path, *, replaces: bool, with_passwords: bool) -> list[Path]:
    """Write everything; the files, in order.

    Raises:
        ImportRefused: files are there already.
        OSError: the folder cannot be written.
    """
    files = _files(plan, folder, with_passwords)
    there = [path for path in files if path.exists()]
    if there and not replaces:
        names = ", ".join(str(path.relative_to(folder)) for path in there[:5]) + (", …" if len(there) > 5 else "")
        raise ImportRefused(
            f"{folder}: has {names} already\n  try: another --out, or --replace (rules written into them are then lost)"
        )
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, data)
    return list(files)


def _files(plan: ImportPlan, folder: Path, with_passwords: bool) -> dict[Path, bytes]:
    files: dict[Path, bytes] = {}
    for camera in plan.kept:
        if isinstance(camera.still, Still):
            files[folder / STILLS / f"{camera.wanted.camera_id}.jpg"] = camera.still.jpeg
    register: list[dict[str, Any]] = []
    for node, cameras in by_node(plan).items():
        files[folder / f"node-{node}.cameras.yaml"] = node_yaml(node, cameras, plan.asked.table.name).encode()
        if with_passwords:
            files[folder / f"node-{node}.env"] = environment_file(cameras).encode()
        register += [_registered(camera, node) for camera in cameras]
    head = f"# The cameras of {_on_one_line(plan.asked.table.name)}, for `xueliang-centre import-cameras`.\n"
    files[folder / REGISTER] = (head + _yaml({"cameras": register})).encode()
    return files


def node_yaml(node: str, cameras: Sequence[PlannedCamera], table: str) -> str:
    """A `cameras:` list as node.yaml takes it."""
    variables = sorted(set(_variables(cameras)) | {name for one in cameras for name in _references(one)})
    head = [
        f"# Cameras of node {node}, from {_on_one_line(table)}. Put the list into its node.yaml and add rules;",
        f"# zones are drawn on the pictures in {STILLS}/.",
    ]
    if variables:
        head.append(f"# Environment variables it needs: {len(variables)}, {variables[0]} to {variables[-1]}.")
    return "\n".join(head) + "\n" + _yaml({"cameras": [_configured(camera) for camera in cameras]})


def environment_file(cameras: Sequence[PlannedCamera]) -> str:
    """Secrets in clear, one `NAME='value'` a line, as systemd's EnvironmentFile and a shell read it."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(_variables(cameras).items()))


def _configured(camera: PlannedCamera) -> dict[str, Any]:
    wanted = camera.wanted
    said: dict[str, Any] = {
        "camera_id": wanted.camera_id,
        "name": _plain(wanted.name),
        "url": camera.main.written,
    }
    if camera.sub is not None:
        said["sub_url"] = camera.sub.written
    return {**said, "place_class": wanted.place_class.value}


def _registered(camera: PlannedCamera, node: str) -> dict[str, Any]:
    wanted = camera.wanted
    said: dict[str, Any] = {
        "camera_id": wanted.camera_id,
        "name": _plain(wanted.name),
        "area_code": wanted.area_code,
        "longitude": wanted.longitude,
        "latitude": wanted.latitude,
        "datum": wanted.datum.value,
        "place_class": wanted.place_class.value,
        "node_id": node,
        "purpose": _plain(wanted.purpose),
        "legal_basis": _plain(wanted.legal_basis),
    }
    return {name: value for name, value in said.items() if value is not None}


def _on_one_line(name: str) -> str:
    return " ".join(name.split())


def _plain(text: str | None) -> str | None:
    """A text in which `${` means nothing."""
    return None if text is None else text.replace("${", "$${")


def _references(camera: PlannedCamera) -> frozenset[str]:
    return camera.main.references | (camera.sub.references if camera.sub else frozenset())


def _variables(cameras: Sequence[PlannedCamera]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for camera in cameras:
        for address in filter(None, (camera.main, camera.sub)):
            found |= {name: value.get_secret_value() for name, value in address.secrets.items()}
    return found


def _quoted(value: str) -> str:
    if "'" not in value:
        return f"'{value}'"
    escaped = "".join(f"\\{letter}" if letter in '\\"$`' else letter for letter in value)
    return f'"{escaped}"'


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base's name
        return True  # settings files have no anchors


def _yaml(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000)
    return text
