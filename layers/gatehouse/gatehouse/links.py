"""Links that may stand in an event: public web addresses, and none that could harm a reader or its network."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from gatehouse.events import Link

_NAME: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,62}", re.IGNORECASE)
# https://www.iana.org/assignments/special-use-domain-names, and further names that networks use for themselves
_OWN: Final = (
    "localhost",
    "localdomain",
    "local",
    "private",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "arpa",
    "test",
    "invalid",
    "onion",
)
_TRANSLATED: Final = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "2002::/16", "2001::/32")))
"""IPv6 addresses that embed an IPv4 address, which may be a private one."""
_LONGEST: Final = 4_096
_PLAIN: Final = re.compile(r"[\x21-\x7e]+")


_PORTS: Final = {"http": 80, "https": 443}


def public_link(role: str, url: str | None, expires_at: datetime | None = None, *, own: str = "") -> Link | None:
    """Makes a link to a public host by http or https. Any other address stays in the payload only.

    A program that shows events turns these into links for its users. A holder of a token could push the address of a
    script, or of a host in the users' own network; such an address must not become a link.

    Args:
        role: of the file that it leads to.
        url: the address.
        expires_at: end of its validity.
        own: base address of an API that the operator set. Addresses with its very scheme, host and port may be linked,
            also in a private network: the operator chose it.

    Returns:
        the link; None if there is no address, or one that may not be linked.
    """
    if not url or not (is_public(url) or (own and _origin(url) == _origin(own) is not None)):
        return None
    return Link(role=role, url=url, expires_at=expires_at)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a web address on any host; None for any other address."""
    if len(url) > _LONGEST or not _PLAIN.fullmatch(url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or "@" in parts.netloc or port == 0 or not host:
        return None
    return parts.scheme, host, port or _PORTS[parts.scheme]


def is_public(url: str) -> bool:
    """Tells whether an address is a public one of the web. Its host name is judged as text and not resolved."""
    origin = _origin(url)
    if origin is None:
        return False
    _, host, _ = origin
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return bool(_NAME.fullmatch(host)) and host.rpartition(".")[2] not in _OWN
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _TRANSLATED)
