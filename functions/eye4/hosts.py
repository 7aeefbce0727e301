"""The hosts that files may be fetched from: an allow-list, as anybody with a guid can name any address."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

DEFAULT: Final = "*.eye4.cn"
"""Where Eye4 keeps recordings. No wildcard of a public cloud's storage: anybody may have a bucket there."""
PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[0-9a-z._-]+")
"""Whatever else stands in a host's name is read one way here and another way by the resolver, which, for one, stops at
a zero byte."""


class Hosts:
    """Which addresses may be called."""

    def __init__(self, names: Sequence[str], own: str = "") -> None:
        """What is allowed.

        Args:
            names: of hosts, or `*.` and a name for whatever is below it.
            own: the address of an API that the operator set: files may lie on that very host and port too, wherever
                that is, since we call it in any case.
        """
        self._names = [name.strip().lower().rstrip(".") for name in names]
        self.own = own
        self._own = authority(urlsplit(own)) if own else None

    def is_own(self, scheme: str, host: str, port: int) -> bool:
        """Whether it is the operator's own API."""
        return (scheme, host, port) == self._own

    def has(self, host: str, port: int) -> bool:
        """Whether a host is on the list, and the port one of the web's: on others, other programs listen."""
        if port not in PORTS.values():
            return False
        return any(host.endswith(entry[1:]) if entry.startswith("*.") else host == entry for entry in self._names)

    def allow(self, url: str) -> bool:
        """Whether an address may be called, as far as its words tell."""
        try:
            scheme, host, port = authority(urlsplit(url))
        except ValueError:
            return False
        return self.is_own(scheme, host, port) or self.has(host, port)


def authority(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port of an address.

    Raises:
        ValueError: it has none that a file could be fetched from, or a user's name, which only hides a host.
    """
    port = parts.port or PORTS.get(parts.scheme)
    host = (parts.hostname or "").rstrip(".")
    if port is None or parts.scheme not in PORTS or not _HOST.fullmatch(host) or "@" in parts.netloc:
        raise ValueError("no address of a file")
    return parts.scheme, host, port
