"""Words of others on the operator's terminal: none that it obeys, and no credential."""

import pytest

from ops.shown import masked, printable

TOKEN = "q7Rk2vXb9TzLw4NcYs8JdHf3"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("bella pro", "bella pro"),
        ("熟客 Müller 🙂", "熟客 Müller 🙂"),
        ("\x1b]0;owned\x07", "\ufffd]0;owned\ufffd"),
        ("\x1b[2J", "\ufffd[2J"),
        ("\x9b2J", "\ufffd2J"),
        ("a\r\nb\tc", "a\ufffd\ufffdb\ufffdc"),
        ("a\u202egpj.exe", "a\ufffdgpj.exe"),
        ("\ud800", "\ufffd"),
        (404, "404"),
        (None, "None"),
    ],
)
def test_a_terminal_obeys_nothing_that_somebody_else_said(said: object, shown: str) -> None:
    assert printable(said) == shown
    assert printable(said).isprintable()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("", ""),
        (f"https://a.example.com/v1/sensepass/{TOKEN}", "https://a.example.com/v1/sensepass/q7Rk…"),
        (f"https://a.example.com/v1/sensepass/{TOKEN}/authorize", "https://a.example.com/v1/sensepass/q7Rk…/authorize"),
        (f"https://a.example.com:8443/v1/sensepass/{TOKEN}/", "https://a.example.com:8443/v1/sensepass/q7Rk…/"),
        # S18: a foreign address was shown whole
        ("https://b.example.com/?token=OTHERSECRET", "https://b.example.com/?…"),
        ("https://b.example.com/hook/OTHERSECRET", "https://b.example.com/…/…"),
        ("https://b.example.com/hook;key=OTHERSECRET", "https://b.example.com/hook…"),
        ("https://b.example.com/OTHERSECRET/authorize", "https://b.example.com/…/authorize"),
        ("https://b.example.com/#OTHERSECRET", "https://b.example.com/?…"),
        ("https://user:OTHERSECRET@b.example.com/", "https://…@b.example.com/"),
        ("https://OTHERSECRET@b.example.com/x", "https://…@b.example.com/…"),
        ("b.example.com/OTHERSECRET", "…/…"),
        ("http://[::1/OTHERSECRET", "…"),
        ("https://b.example.com/v1/sensepass/abc", "https://b.example.com/v1/sensepass/…"),
        ("https://b.example.com/v1/sensepass/%4fTHERSECRET", "https://b.example.com/v1/sensepass/…"),
        ("https://b.example\x1b\x07.com/", "https://b.example\ufffd\ufffd.com/"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_credential(address: str, shown: str) -> None:
    assert masked(address, "v1", "sensepass", "authorize") == shown
