"""`python -m xueliang_central.openapi [--check]`: writes docs/schema/openapi.json from the routes, or compares it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from xueliang_central.app import all_routers, bare_app
from xueliang_central.intake.signing import SIGNATURE_HEADER
from xueliang_central.openapi_examples import add_examples
from xueliang_central.rights.policy import Permission, permission_of
from xueliang_central.routes.problems import MEDIA_TYPE

DEFAULT_PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "schema" / "openapi.json"
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `request_id` finds the request in the log.",
    "properties": {
        "type": {"type": "string"},
        "code": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "required": ["type", "code", "title", "status", "request_id"],
}


def document() -> str:
    """The OpenAPI document as text that is the same for the same routes."""
    app = bare_app()
    described = app.openapi()
    policies = {
        (route.path, method.lower()): permission_of(route) for route in app_routes() for method in route.methods
    }
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            permission = policies[path, method]
            operation["x-permission"] = permission.value if permission else None
            if permission is Permission.NODE:
                operation["security"] = [{"node": []}]
            elif permission is Permission.RECEIVER:
                operation["security"] = [{"receiver": []}]
            elif permission is Permission.SOURCE:
                operation["security"] = [{"source": []}]
            elif permission in (Permission.UNIT, Permission.GATEWAY):
                operation["security"] = [{permission.value: []}]
            elif permission is not Permission.PUBLIC:
                operation["security"] = [{"session": []}]
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {
                "description": "A problem document.",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
    schemas = described["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    described["components"]["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": "xl_session"},
        "node": {"type": "http", "scheme": "bearer"},
        "receiver": {"type": "http", "scheme": "bearer", "description": "docs/cap.md"},
        "unit": {"type": "http", "scheme": "bearer", "description": "docs/units.md"},
        "gateway": {"type": "http", "scheme": "bearer", "description": "docs/units.md"},
        "source": {"type": "apiKey", "in": "header", "name": SIGNATURE_HEADER, "description": "docs/intake.md"},
    }
    add_examples(described)
    return json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def app_routes() -> list[Any]:
    """Every API route object of every router."""
    return [route for router in all_routers() for route in router.routes]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m xueliang_central.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="Write nothing; exit 1 when the file differs.")
    parser.add_argument("--path", type=Path, default=DEFAULT_PATH)
    options = parser.parse_args(arguments)
    text = document()
    if not options.check:
        options.path.parent.mkdir(parents=True, exist_ok=True)
        options.path.write_text(text, encoding="utf-8")
        return 0
    if options.path.is_file() and options.path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{options.path.name} is not what the routes say: run python -m xueliang_central.openapi\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
