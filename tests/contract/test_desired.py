"""What the centre signs: read by a node that knows its key, and by nobody who changed a byte of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from xueliang_alerts.contract import MAX_MESSAGE_BYTES, NotUnderstood, to_bytes
from xueliang_alerts.desired import PURPOSE, DesiredRules, SignedDocument, read_desired, signed
from xueliang_alerts.signing import NotAKey, PublicKey, SigningKey

GOLDEN = (Path(__file__).parent / "golden" / "v1" / "desired.json").read_bytes()
KEY = SigningKey(bytes(range(32)))
OTHER = SigningKey(bytes(reversed(range(32))))


def test_the_golden_message_is_what_its_key_signs() -> None:
    document = read_desired(GOLDEN, [OTHER.public, KEY.public])
    assert (document.node_id, document.camera_id, document.version) == ("edge-01", "lane-east", 7)
    assert document.settings["look_every_s"] is None  # said, which is not the same as left out
    assert signed(document, KEY) == GOLDEN


def test_every_changed_byte_of_the_document_and_the_signature_is_refused() -> None:
    envelope = json.loads(GOLDEN)
    text: str = envelope["document"]
    changed = [envelope | {"document": text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]} for at in range(len(text))]
    changed += [
        envelope | {"document": text + " "},
        envelope | {"document": text.replace('"version":7', '"version":8')},
    ]
    changed += [envelope | {"signature": "A" + envelope["signature"][1:]}, envelope | {"signature": "*" * 88}]
    for one in changed:
        with pytest.raises(NotUnderstood, match="signature"):
            read_desired(json.dumps(one).encode(), [KEY.public])


def test_another_key_an_unsigned_document_and_another_purpose_are_refused() -> None:
    with pytest.raises(NotUnderstood, match="none of this node's centre_keys"):
        read_desired(GOLDEN, [OTHER.public])
    forged = json.loads(GOLDEN) | {"key_id": OTHER.public.key_id}
    with pytest.raises(NotUnderstood, match="not by the key it names"):
        read_desired(json.dumps(forged).encode(), [KEY.public, OTHER.public])
    with pytest.raises(NotUnderstood, match="Field required"):
        read_desired(json.loads(GOLDEN)["document"].encode(), [KEY.public])
    assert not KEY.public.holds("another purpose", b"x", KEY.sign(PURPOSE, b"x"))
    assert not KEY.public.holds(PURPOSE, b"x", b"short")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"of_a_newer_version": 1}, "document.of_a_newer_version"),
        ({"version": 0}, "document.version"),
        ({"version": "8"}, "document.version"),
        ({"kind": "model"}, "document.kind"),
        ({"camera_id": "../x"}, "document.camera_id"),
    ],
)
def test_a_signed_document_that_is_none_is_refused_with_the_place(change: dict[str, Any], words: str) -> None:
    text = json.dumps(json.loads(json.loads(GOLDEN)["document"]) | change)
    envelope = SignedDocument(
        key_id=KEY.public.key_id,
        signature=base64.b64encode(KEY.sign(PURPOSE, text.encode())).decode(),
        document=text,
    )
    with pytest.raises(NotUnderstood) as caught:
        read_desired(to_bytes(envelope), [KEY.public])
    assert words in caught.value.reason


def test_rules_too_large_for_a_message_are_refused_where_they_are_made() -> None:
    document = read_desired(GOLDEN, [KEY.public])
    large = DesiredRules.model_validate(document.model_dump() | {"settings": {"x": "y" * MAX_MESSAGE_BYTES}})
    with pytest.raises(ValueError, match="bytes of rules of one camera"):
        signed(large, KEY)


def test_keys_are_written_and_read_and_the_secret_one_is_not_shown() -> None:
    assert SigningKey.read(KEY.text + "\n").public == PublicKey.read(KEY.public.text) == KEY.public
    assert KEY.text not in repr(KEY)
    assert "seed" not in repr(KEY)
    assert SigningKey.make() != SigningKey.make()
    for text in ("", KEY.text, "ed25519:AAAA", "ed25519:" + "*" * 44, "ed25519:" + "é"):
        with pytest.raises(NotAKey) as caught:
            PublicKey.read(text)
        assert text == "" or text not in str(caught.value)
