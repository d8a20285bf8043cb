"""How names and passwords are written, whatever they were typed on."""

import pytest

from dualtoken.auth_service.domain.names import normal_name, normal_password


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("zs", "zs"),
        ("ZS", "ZS"),
        ("juliet@example.com", "juliet@example.com"),
        ("fussball", "fussball"),
        ("fu\xdfball", "fu\xdfball"),
        ("\u03c0", "\u03c0"),
        ("\u03a3", "\u03a3"),
        ("Rene\u0301", "Ren\xe9"),
        ("\uff5a\uff53", "zs"),
        ("\uff76\uff9e", "\u30ac"),
        ("\u212b", "\xc5"),
        ("first last", "first last"),
        ("\U0001f511", "\U0001f511"),
    ],
)
def test_a_name_has_one_form(typed: str, stored: str) -> None:
    """RFC 8265 §3.4: plain widths, NFC, case kept; what has its form already is left alone."""
    assert stored == normal_name(typed)
    assert stored == normal_name(stored)


@pytest.mark.parametrize(
    ("typed", "hashed"),
    [
        ("correct horse battery staple", "correct horse battery staple"),
        ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
        ("\u03c0\xdf\xe5", "\u03c0\xdf\xe5"),
        ("Jack of \u2666s", "Jack of \u2666s"),
        ("foo\u1680bar", "foo bar"),
        ("foo\xa0\u3000bar", "foo  bar"),
        ("pa\u0308ssword", "p\xe4ssword"),
        ("\uff21", "\uff21"),
    ],
)
def test_a_password_has_one_form(typed: str, hashed: str) -> None:
    """RFC 8265 §4.2 and §4.3: every space is the plain one, NFC, and neither case nor width is touched."""
    assert hashed == normal_password(typed)
    assert hashed == normal_password(hashed)
