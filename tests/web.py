"""A web server of a test, where a fixture of pytest-httpserver does not do: with TLS, or with a port of its own."""

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

type Certificate = trustme.LeafCert | trustme.CA
"""A server's certificate; an authority is one that only itself vouches for."""


def tls(certificate: Certificate) -> ssl.SSLContext:
    """The context of a server that has this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(certificate, trustme.LeafCert):
        certificate.configure_cert(context)
        return context
    with trustme.Blob(certificate.private_key_pem.bytes() + certificate.cert_pem.bytes()).tempfile() as file:
        context.load_cert_chain(file)
    return context


class _Server(HTTPServer):
    def thread_target(self) -> None:
        """Serves, and looks often whether it is to stop: the library's own looks make each stop half a second."""
        assert self.server is not None
        self.server.serve_forever(poll_interval=0.01)


@contextmanager
def web(
    answer: Callable[[Request], Response], certificate: Certificate | None = None, *, threaded: bool = False
) -> Iterator[HTTPServer]:
    """A server on a free port of 127.0.0.1; an assertion that fails in an answer fails the test.

    Args:
        answer: to each request.
        certificate: for TLS.
        threaded: for requests at the same time, and connections that are kept.
    """
    context = None if certificate is None else tls(certificate)
    server = _Server("127.0.0.1", ssl_context=context, threaded=threaded)
    server.expect_request(re.compile(".*")).respond_with_handler(answer)
    with server:
        yield server
    server.check()
