"""An authority of our own and a certificate for 127.0.0.1, made by the openssl program."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Certificates:
    authority: Path
    chain: Path
    key: Path

    def of_server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context

    def of_client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))


def make_certificates(folder: Path, name: str = "IP:127.0.0.1") -> Certificates:
    """Valid for a day, for that name only."""
    authority, request, chain = folder / "authority.pem", folder / "request.pem", folder / "camera.pem"
    authority_key, key, extensions = folder / "authority.key", folder / "camera.key", folder / "extensions"
    extensions.write_text(f"subjectAltName={name}\nauthorityKeyIdentifier=keyid\nbasicConstraints=CA:FALSE\n")
    ours = ["-subj", "/CN=tests", "-days", "1", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    for command in (
        ["req", "-x509", *_CURVE, "-keyout", authority_key, "-out", authority, *ours],
        ["req", *_CURVE, "-keyout", key, "-out", request, "-subj", "/CN=camera"],
        ["x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial",
         "-out", chain, "-days", "1", "-extfile", extensions],
    ):  # fmt: skip
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True, timeout=60)
    return Certificates(authority, chain, key)
