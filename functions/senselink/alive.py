"""`python -m functions.senselink.alive`: asks the listener of this host, for the container's health check.

The container starts it anew every half minute, on a quarter of a processor that the listener's workers share. A check
that does not answer in time counts as failed. So it imports only a socket: no module of the listener, no HTTP client.
"""

import os
import socket
import sys


def main() -> int:
    """Asks the listener of this host for its health; returns 0 if it is well, else 1."""
    try:
        with socket.create_connection(("127.0.0.1", int(os.environ.get("HEALTH_PORT", "8080"))), timeout=10) as peer:
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            # The status line, https://www.rfc-editor.org/rfc/rfc9112#section-4, may come in pieces.
            status = peer.makefile("rb").readline(100).split()
    except OSError:
        return 1
    return int(status[1:2] != [b"200"])


if __name__ == "__main__":
    sys.exit(main())
