"""A terminal's own HTTPS API, with a certificate as a terminal makes it for itself."""

import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from functions.sensepass.client import Client

PASSWORD = "p4ss-of-the-terminal"
SESSION = "eyJ0eXAi.a-session.of-the-terminal"
FUNCTIONS = {"mode": 3, "record": True, "record_image": True, "alarm_record": False, "auth_mode": 0}
_REFUSED = (401, b'{"code":401,"msg":"unauthorised","data":null}')


# ─── Certificates ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Identity:
    """A certificate, its key, and the paths of both."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    file: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256, as openssl prints it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def identity(folder: Path, name: str, issuer: Identity | None = None, address: str | None = None) -> Identity:
    """A new certificate: self-signed unless it has an issuer, for an address unless it has none."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(known, critical=False)
    if address:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    else:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    file = folder / f"{name}.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + secret)
    return Identity(certificate, key, file)


# ─── The terminal ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Device:
    """A terminal's HTTPS API: what it was asked, what it holds, and what it is to answer instead."""

    port: int
    password: str = PASSWORD
    event_dest: str | None = None
    functions: dict[str, Any] = field(default_factory=FUNCTIONS.copy)
    records: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    instead: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any, authorization: str | None) -> tuple[int, bytes]:
        """Answers as the vendor's guide says."""
        self.calls.append((method, path, body))
        if path in self.instead:
            return self.instead[path]
        if path == "/v1/auth/login":
            known = (body["username"], body["password"]) == ("admin", self.password)
            return said({"token": SESSION}) if known else _REFUSED
        return self._answer(method, path, body) if authorization == f"Bearer {SESSION}" else _REFUSED

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        match method, path:
            case "GET", "/v1/event/subscribe":
                return said(None if self.event_dest is None else {"event_dest": self.event_dest})
            case "POST", "/v1/event/subscribe":
                self.event_dest = body["event_dest"]
            case "GET", "/v1/device/functions":
                return said(self.functions)
            case "POST", "/v1/device/functions":
                assert {"record", "record_image", "alarm_record"} <= body.keys()
                self.functions = body
            case "POST", "/v1/event/records":
                return said(self._found(**body))
        return said(None)

    def _found(self, begin_time: int, end_time: int, offset: int, limit: int, sort: int) -> dict[str, Any]:
        assert (limit <= 200, sort) == (True, 0)
        among = [record for record in self.records if begin_time <= record["timestamp"] <= end_time]
        items = among[offset : offset + limit]
        return {"offset": offset, "limit": limit, "count": len(items), "total": len(among), "items": items}

    def client(self, **verified_by: Any) -> Client:
        """A client of it, not logged in."""
        return Client("127.0.0.1", self.port, **verified_by)


def said(data: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"data": data, "code": 200, "msg": "OK"}).encode()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Stays silent: a client that does not trust the certificate hangs up."""


@contextmanager
def running(own: Identity) -> Iterator[Device]:
    """A terminal with this certificate."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = there.answer(self.command, self.path, body, self.headers.get("authorization"))
            self.send_response(status)
            if status == 302:
                self.send_header("location", f"https://127.0.0.1:{there.port}/stolen")
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _handle  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Stays silent."""

    server = _Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    there = Device(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
