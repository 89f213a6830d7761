"""The schema of CAP 1.2, from the shared material: it may not be copied here."""

from __future__ import annotations

import functools
from xml.etree import ElementTree

import xmlschema

from tests.support.fixtures import require_fixture

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"


@functools.cache
def _schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(require_fixture("standards/CAP-v1.2.xsd")))


def problems_of(document: str) -> list[str]:
    """What the schema has against a document; empty: valid."""
    return [str(error.reason) for error in _schema().iter_errors(document)]


def valid(document: str) -> ElementTree.Element:
    """The document's root, once the schema has nothing against it."""
    assert problems_of(document) == [], document
    return ElementTree.fromstring(document)


def texts(root: ElementTree.Element, path: str) -> list[str]:
    """The texts of all elements at a path of CAP names: "info/area/circle"."""
    return [found.text or "" for found in root.findall("/".join(CAP + name for name in path.split("/")))]
