"""Links that may stand in an event, and those that may not."""

import pytest

from gatehouse.links import is_public, public_link
from tests.builders import NOW


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.com/a/b.mp4?e=1&token=a%20b",
        "http://d015-z0.example.com//tmp/HTB_01_0?e=1",
        "HTTPS://EXAMPLE.COM:8443/",
        "https://8.8.8.8/a",
        "https://[2606:4700::1111]/a",
        "https://xn--fiq228c.example.com/",
    ],
)
def test_an_address_of_the_web_is_a_link(url: str) -> None:
    link = public_link("video", url, NOW)

    assert link is not None
    assert (link.role, link.url, link.expires_at) == ("video", url, NOW)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://example.com/",
        "//example.com/",
        "example.com/a",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[64:ff9b::a00:1]/",
        "http://[2002:a00:1::1]/",
        "http://[2001:0:a00:1::1]/",
        "http://224.0.0.1/",
        "http://[ff0e::1]/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://localhost/",
        "http://camera/",
        "http://camera.local/",
        "http://vault.internal/",
        "http://db.corp/",
        "http://LOCALHOST.LOCALDOMAIN/",
        "http://vault.private/",
        "https://user:pass@example.com/",
        "https://example.com@10.0.0.1/",
        "https://example.com\\@10.0.0.1/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\x00",
        "https://example.com/\n",
        "https://ex\u00e4mple.com/",
        "https://example..com/",
        "https://[::1",
        "https://" + "a." * 200 + "com/",
        "https://example.com/" + "x" * 5_000,
    ],
)
def test_what_leads_elsewhere_is_none(url: str | None) -> None:
    assert public_link("video", url) is None


OWN = "http://127.0.0.1:9000/api"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/a?e=1", "HTTP://127.0.0.1:9000/", "http://127.0.0.1:9000"])
def test_what_lies_at_an_api_that_the_operator_set_is_a_link(url: str) -> None:
    link = public_link("video", url, own=OWN)

    assert link is not None
    assert link.url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a",
        "http://127.0.0.1:9001/a",
        "https://127.0.0.1:9000/a",
        "http://localhost:9000/a",
        "http://127.1:9000/a",
        "http://user@127.0.0.1:9000/a",
        "http://127.0.0.1:9000@10.0.0.1/a",
        "http://127.0.0.1:9000\\@10.0.0.1/a",
        "http://127.0.0.1:9000/\n",
        "javascript://127.0.0.1:9000/%0aalert(1)",
        "http://169.254.169.254/",
    ],
)
def test_what_lies_beside_it_is_none(url: str) -> None:
    assert public_link("video", url, own=OWN) is None


def test_an_own_api_that_is_no_address_makes_nothing_a_link() -> None:
    assert public_link("video", "javascript:alert(1)", own="javascript:alert(1)") is None
    assert public_link("video", "http:///a", own="http:///b") is None


def test_a_documentation_address_is_not_public() -> None:
    assert not is_public("http://192.0.2.1/")
