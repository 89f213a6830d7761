"""Writes the contract as JSON Schema and AsyncAPI 3 into docs/schema/.

python -m xueliang_alerts.schemas            writes
python -m xueliang_alerts.schemas --check    exit status 1 when a committed file is not what the code says
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from xueliang_alerts.commands import BacktestCommand, LiveCommand, LiveResult, LookCommand, LookResult, ResultPage
from xueliang_alerts.contract import ID_PATTERN, Message, NodeStatus, Receipt
from xueliang_alerts.desired import DesiredRules, ReportedRules, SignedDocument
from xueliang_alerts.stations import SOURCE_PATTERN, Signal, SignedSignal
from xueliang_alerts.topics import NODE_PUBLISHES, PREFIX, SHARDS, Leaf

DEFAULT_DIRECTORY: Final = Path(__file__).resolve().parents[2] / "docs" / "schema"
MODELS: Final[dict[str, type[BaseModel]]] = {
    "message": Message,
    "receipt": Receipt,
    "status": NodeStatus,
    "command": BacktestCommand,
    "result": ResultPage,
    "live-command": LiveCommand,
    "live-result": LiveResult,
    "look-command": LookCommand,
    "look-result": LookResult,
    "desired": SignedDocument,
    "desired-document": DesiredRules,
    "reported": ReportedRules,
    "signal": Signal,
    "signed-signal": SignedSignal,
}
JSON_LEAVES: Final[dict[Leaf, tuple[type[BaseModel], ...]]] = {
    Leaf.ALERTS: (Message,),
    Leaf.RECEIPTS: (Receipt,),
    Leaf.STATUS: (NodeStatus,),
    Leaf.COMMANDS: (BacktestCommand, LookCommand, LiveCommand),
    Leaf.RESULTS: (ResultPage, LookResult, LiveResult),
    Leaf.CONFIG_DESIRED: (SignedDocument,),
    Leaf.CONFIG_REPORTED: (ReportedRules,),
}
SUMMARIES: Final[dict[Leaf, str]] = {
    Leaf.ALERTS: "One spool record: a revision of an alert, or a declared gap. QoS 1, not retained.",
    Leaf.STATUS: "How the node does; retained; the last will is the same with state `lost`.",
    Leaf.RECEIPTS: "What of the node's spools is committed at the centre; retained.",
    Leaf.CONFIG_DESIRED: "The rules the centre wants of one camera, signed. The document in it is described by "
    "desired-document.schema.json. QoS 1, not retained.",
    Leaf.CONFIG_REPORTED: "The rules that a camera runs, and why wanted ones were refused. QoS 1, not retained.",
    Leaf.COMMANDS: "A request to the node, carried out once and not after it expires. QoS 1, not retained.",
    Leaf.RESULTS: "The answer to a command: a back-test's in pages, a look's in one message. QoS 1, not retained.",
}


OF_STATIONS: Final = (
    "A signal of a sensor or station, signed with its key; the text in it is described by signal.schema.json. QoS 1, "
    "not retained. Nothing is answered: docs/intake.md."
)


def json_schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """What a sender must write: unknown fields are forbidden. A reader ignores them."""
    schema = model.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def async_api() -> dict[str, Any]:
    """AsyncAPI 3: every topic of a node and of a station, from the centre's point of view."""
    models: list[type[BaseModel]] = [*(one for several in JSON_LEAVES.values() for one in several), SignedSignal]
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Xueliang Edge: nodes, stations and centre",
            "version": "1",
            "description": "MQTT 3.1.1 or later, QoS 1, persistent sessions. A broker's acknowledgement is not "
            "delivery: only a receipt says that a record is committed.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {**{_channel_name(leaf): _channel(leaf) for leaf in Leaf}, "signals": _station_channel()},
        "operations": {
            **{_channel_name(leaf): _operation(leaf) for leaf in Leaf},
            "signals": {"action": "receive", "channel": {"$ref": "#/channels/signals"}, "summary": OF_STATIONS},
        },
        "components": {
            "messages": {
                model.__name__: {
                    "contentType": "application/json",
                    "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
                }
                for model in models
            },
            "schemas": definitions["$defs"],
        },
    }


def _channel_name(leaf: Leaf) -> str:
    return leaf.value.replace("/", "_")


def _channel(leaf: Leaf) -> dict[str, Any]:
    names = [model.__name__ for model in JSON_LEAVES.get(leaf, ())]
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in names}
    return {
        "address": f"{PREFIX}/{{shard}}/nodes/{{node_id}}/{leaf.value}",
        "description": SUMMARIES[leaf],
        "parameters": {
            "shard": {
                "description": "Low four bits of the first byte of sha256(node_id), two hexadecimal digits.",
                "enum": list(SHARDS),
            },
            "node_id": {"description": f"Matches {ID_PATTERN}"},
        },
        "messages": messages,
    }


def _station_channel() -> dict[str, Any]:
    return {
        "address": f"{PREFIX}/{{shard}}/stations/{{source_id}}/signals",
        "description": OF_STATIONS,
        "parameters": {
            "shard": {
                "description": "Low four bits of the first byte of sha256(source_id), two hexadecimal digits.",
                "enum": list(SHARDS),
            },
            "source_id": {"description": f"Matches {SOURCE_PATTERN}"},
        },
        "messages": {SignedSignal.__name__: {"$ref": f"#/components/messages/{SignedSignal.__name__}"}},
    }


def _operation(leaf: Leaf) -> dict[str, Any]:
    return {
        "action": "receive" if leaf in NODE_PUBLISHES else "send",
        "channel": {"$ref": f"#/channels/{_channel_name(leaf)}"},
        "summary": SUMMARIES[leaf],
    }


def documents() -> dict[str, str]:
    """File name to content, as it should be committed."""
    files = {f"{name}.schema.json": json_schema_of(model) for name, model in MODELS.items()}
    files["asyncapi.json"] = async_api()
    return {name: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for name, value in files.items()}


def drift(directory: Path) -> list[str]:
    """Names of files that are missing or not what the code says."""
    wanted = documents()
    return [
        name
        for name, content in wanted.items()
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != content
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m xueliang_alerts.schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say what differs")
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY)
    options = parser.parse_args(arguments)
    if options.check:
        different = drift(options.directory)
        for name in different:
            sys.stderr.write(f"{name} is not what the code says; run: python -m xueliang_alerts.schemas\n")
        return 1 if different else 0
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (options.directory / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
