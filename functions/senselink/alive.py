"""`python -m functions.senselink.alive`: asks the listener of this host, for the container's health check.

It is started anew every half minute, on a quarter of a processor that the listener's workers share, and what has not
answered in time counts as ill. So it imports nothing but a socket: no module of the listener's, and no HTTP client.
"""

import os
import socket
import sys


def main() -> int:
    """Tells whether the listener of this host is well, as an exit status."""
    try:
        with socket.create_connection(("127.0.0.1", int(os.environ.get("HEALTH_PORT", "8080"))), timeout=10) as asked:
            asked.sendall(b"GET / HTTP/1.0\r\n\r\n")
            # The status line, https://www.rfc-editor.org/rfc/rfc9112#section-4, may come in pieces.
            status = asked.makefile("rb").readline(100).split()
    except OSError:
        return 1
    return int(status[1:2] != [b"200"])


if __name__ == "__main__":
    sys.exit(main())
