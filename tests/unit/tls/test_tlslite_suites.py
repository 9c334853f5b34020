"""Cipher lists over the suites of the tlslite engine, and what the engine says it cannot do."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from broker.config.upstream_tls import UpstreamTls
from broker.tls import tlslite
from broker.tls.engines import EngineError, client_tls
from broker.tls.options import TlsOptions, Trust
from broker.tls.profiles import OBSOLETE_CIPHERS, SHORT_CIPHERS, options_of
from broker.tls.tlslite.suites import SUITES, offered
from broker.tls.versions import TlsVersion

OPTIONS = options_of(UpstreamTls(profile="obsolete"))


def names(cipher_list: str, most: TlsVersion = TlsVersion.TLSv1_2) -> list[str]:
    return [suite.name for suite in offered(cipher_list, most)]


def test_the_short_list_is_offered_as_written() -> None:
    assert names(SHORT_CIPHERS) == [name.replace("EDH", "DHE") for name in SHORT_CIPHERS.split(":")]


def test_suites_that_are_not_here_are_passed_over() -> None:
    offers = names(OBSOLETE_CIPHERS)
    assert offers[0] == "DHE-RSA-AES128-GCM-SHA256"
    assert offers[-1] == "RC4-MD5"
    assert set(offers) <= {name.replace("EDH", "DHE") for name in OBSOLETE_CIPHERS.split(":")}


@pytest.mark.parametrize("keyword", ["ALL", "HIGH", "MEDIUM", "AES", "3DES", "RC4", "RSA", "kRSA", "DH", "SHA", "MD5"])
def test_only_their_own_names_add_suites_without_certificate_or_encryption(keyword: str) -> None:
    assert names(keyword)
    assert not [name for name in names(keyword) if "ADH" in name or "NULL" in name]


@pytest.mark.parametrize(
    ("cipher_list", "expected"),
    [
        ("RC4", ["RC4-SHA", "RC4-MD5"]),
        ("3DES+kRSA", ["DES-CBC3-SHA"]),
        ("RC4-MD5:RC4-SHA", ["RC4-MD5", "RC4-SHA"]),
        ("RC4-MD5:AES256-SHA:+RC4", ["AES256-SHA", "RC4-MD5"]),
        ("RC4:3DES:!MD5:!DH", ["RC4-SHA", "DES-CBC3-SHA"]),
        ("RC4:-RC4:AES128-SHA:RC4-MD5", ["AES128-SHA", "RC4-MD5"]),
        ("!RC4:AES128-SHA:RC4", ["AES128-SHA"]),
        ("ADH-RC4-MD5:NULL-SHA", ["ADH-RC4-MD5", "NULL-SHA"]),
        ("aNULL:!aNULL:NULL-MD5", ["NULL-MD5"]),
        ("ADH+3DES", ["ADH-DES-CBC3-SHA"]),
        ("EXP-RC4-MD5:NONSENSE:@SECLEVEL=0, RC4-SHA", ["RC4-SHA"]),
        ("DEFAULT:!AES", []),
        ("LOW", []),
    ],
)
def test_a_cipher_list_selects(cipher_list: str, expected: list[str]) -> None:
    assert names(cipher_list) == expected


def test_versions_before_1_2_leave_out_its_suites() -> None:
    assert not [name for name in names("ALL", TlsVersion.TLSv1_1) if "GCM" in name or "SHA256" in name]


def test_numbers_are_those_of_the_library() -> None:
    tlslite.client_tls(OPTIONS)
    from tlslite.constants import CipherSuite

    for suite in SUITES:
        name = CipherSuite.ietfNames[suite.code]
        assert name.startswith("TLS_DHE_RSA" if suite.name.startswith("DHE-RSA") else "TLS_")
        assert ("_ANON_" in name, "3DES" in name, "NULL" in name, "RC4" in name, "GCM" in name) == tuple(
            word in suite.name for word in ("ADH", "DES-CBC3", "NULL", "RC4", "GCM")
        )
        assert (suite.least > TlsVersion.SSLv3) == (suite.code in CipherSuite.tls12Suites)


def test_profile_obsolete_can_be_spoken() -> None:
    for hello in ("full", "short", "bare"):
        assert tlslite.refusal(options_of(UpstreamTls(profile="obsolete", hello=hello))) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (replace(OPTIONS, min_version=TlsVersion.TLSv1_3, max_version=TlsVersion.TLSv1_3), "TLS 1.2"),
        (replace(OPTIONS, security_level=1), "security_level"),
        (replace(OPTIONS, ciphers="ECDHE"), "none of the suites"),
        (replace(OPTIONS, ciphers="AES128-GCM-SHA256", max_version=TlsVersion.TLSv1_1), "none of the suites"),
        (replace(OPTIONS, ciphers="aNULL"), "none of the suites"),
    ],
)
def test_what_it_cannot_do_is_refused(options: TlsOptions, words: str) -> None:
    refusal = tlslite.refusal(options)
    assert refusal is not None
    assert words in refusal
    assert not refusal.endswith(".")


def test_files_that_cannot_be_used_are_blamed_on_their_key(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("nothing")
    for ca in (empty, tmp_path / "missing.pem"):
        with pytest.raises(EngineError) as raised:
            client_tls(replace(OPTIONS, trust=Trust(ca)), "tlslite")
        assert raised.value.key == "ca"


def test_nothing_of_it_is_imported_before_an_upstream_asks() -> None:
    code = (
        "import sys, broker.app, broker.tls.engines\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('tlslite', 'OpenSSL', 'ecdsa')"
        " or name.startswith('broker.tls.tlslite.')])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
