"""Links that may stand in an event: addresses of the web, and none that leads a reader or its machine elsewhere."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from gatehouse.events import Link

_NAME: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,62}", re.IGNORECASE)
# https://www.iana.org/assignments/special-use-domain-names, and what networks call their own
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
"""Addresses of IPv6 in which one of IPv4 is hidden, which may be anybody's own."""
_LONGEST: Final = 4_096
_PLAIN: Final = re.compile(r"[\x21-\x7e]+")


_PORTS: Final = {"http": 80, "https": 443}


def public_link(role: str, url: str | None, expires_at: datetime | None = None, *, own: str = "") -> Link | None:
    """A link, if it is one to a public host by http or https; None for anything else, which is in the payload only.

    Whoever shows events makes links of these, and whoever follows them may sit in a network of its own: a script's
    address or one inside that network, pushed by anybody with a token, must not get there by us.

    Args:
        role: of what it links.
        url: the address.
        expires_at: until when it holds.
        own: the address of an API that the operator set: what lies on its very scheme, host and port may be linked
            wherever that is, since whoever set it knows.
    """
    if not url or not (is_public(url) or (own and _origin(url) == _origin(own) is not None)):
        return None
    return Link(role=role, url=url, expires_at=expires_at)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address of the web, whatever its host is; None of anything else."""
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
    """Whether an address is one of the web, by its look: its name is not resolved."""
    origin = _origin(url)
    if origin is None:
        return False
    _, host, _ = origin
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return bool(_NAME.fullmatch(host)) and host.rpartition(".")[2] not in _OWN
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _TRANSLATED)
