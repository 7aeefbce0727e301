"""The hosts that files may be fetched from: an allow-list, since everyone with a guid can name any address."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

DEFAULT: Final = "*.eye4.cn"
"""The hosts of Eye4's recordings. No wildcard for a public cloud's storage: everyone can have a bucket there."""
PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[0-9a-z._-]+")
"""Characters of a host's name. The resolver may read other characters differently: it stops at a zero byte, for one."""


class Hosts:
    """The addresses that may be called."""

    def __init__(self, names: Sequence[str], own: str = "") -> None:
        """Permits these hosts.

        Args:
            names: of hosts, or `*.` and a name for all hosts below it.
            own: the address of an API that the operator set. Files may also lie on that host and port, even in a
                private network, since we call it in any case.
        """
        self._names = [name.strip().lower().rstrip(".") for name in names]
        self.own = own
        self._own = authority(urlsplit(own)) if own else None

    def is_own(self, scheme: str, host: str, port: int) -> bool:
        """Tells whether this is the operator's own API."""
        return (scheme, host, port) == self._own

    def has(self, host: str, port: int) -> bool:
        """Tells whether a host is on the list, and the port is 80 or 443: other programs listen on other ports."""
        if port not in PORTS.values():
            return False
        return any(host.endswith(entry[1:]) if entry.startswith("*.") else host == entry for entry in self._names)

    def allow(self, url: str) -> bool:
        """Tells whether the text of an address permits a call; the resolved IP addresses are checked later."""
        try:
            scheme, host, port = authority(urlsplit(url))
        except ValueError:
            return False
        return self.is_own(scheme, host, port) or self.has(host, port)


def authority(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port of an address.

    Raises:
        ValueError: no file can be fetched from it, or it has a user name, which only serves to disguise a host.
    """
    port = parts.port or PORTS.get(parts.scheme)
    host = (parts.hostname or "").rstrip(".")
    if port is None or parts.scheme not in PORTS or not _HOST.fullmatch(host) or "@" in parts.netloc:
        raise ValueError("not the address of a file")
    return parts.scheme, host, port
