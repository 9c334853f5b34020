"""Which settings are tried, in which order, and how they are written."""

from datetime import date

import pytest
import yaml

from broker.probe.call import configured
from broker.probe.candidate import Candidate, Setting
from broker.probe.findings import CertificateFacts, Findings
from broker.probe.ladder import Rung, rungs, trusts
from broker.probe.suites import Grade, grade

DAY = date(2026, 11, 21)


def plain(rung: Rung) -> list[str]:
    return [setting.plain for setting in rung]


def climbed(findings: Findings) -> list[list[str]]:
    return [plain(rung) for rung in rungs(findings)]


def spoken(*labels: str, **more: object) -> Findings:
    return Findings(versions=dict.fromkeys(labels, True), secure_renegotiation=True, **more)  # type: ignore[arg-type]


def test_a_modern_server_is_tried_as_it_is_first() -> None:
    assert climbed(spoken("TLSv1.2", "TLSv1.3"))[0] == []


def test_a_lack_of_rfc_5746_alone_is_one_exception_from_modern() -> None:
    findings = spoken("TLSv1.2")
    findings.secure_renegotiation = False
    assert climbed(findings)[:2] == [[], ["legacy_renegotiation: true"]]


def test_an_old_server_is_not_tried_with_modern() -> None:
    first = climbed(spoken("TLSv1.0", "TLSv1.1"))[0]
    assert first == ["profile: legacy", "min_version: TLSv1.1", "legacy_renegotiation: false"]


def test_sslv3_begins_with_obsolete() -> None:
    assert climbed(spoken("SSLv3"))[0] == ["profile: obsolete", "legacy_renegotiation: false"]


def test_suites_without_protection_are_named_only_where_there_are_no_others() -> None:
    assert not any("ciphers" in line for rung in climbed(spoken("TLSv1.0")) for line in rung)
    anonymous = climbed(spoken("TLSv1.0", suites={"TLSv1.0": ["ADH-AES128-SHA"]}))[-1]
    assert "ciphers: ADH-AES128-SHA" in anonymous
    assert "unsafe_skip_verify: true" in anonymous


@pytest.mark.parametrize("dislike", ["version TLSv1.3", "extensions", "sni", "256 to 511 bytes", "more than 64 suites"])
@pytest.mark.parametrize("best", ["SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"])
@pytest.mark.parametrize("suite", ["AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256", "RC4-SHA", "NULL-SHA", "ADH-RC4-MD5"])
def test_every_candidate_is_valid_and_has_a_review_when_it_is_weak(dislike: str, best: str, suite: str) -> None:
    for rung in rungs(spoken(best, dislikes=[dislike], suites={best: [suite]})):
        candidate = Candidate("https://10.0.0.12").with_tls(*rung)
        tls = configured(candidate, DAY).tls
        assert (tls is not None and tls.review_by is not None) is candidate.weak


def test_a_certificate_that_nobody_vouches_for_is_pinned_last() -> None:
    facts = CertificateFacts("CN=a", "CN=b", ["shop.test"], "RSA", 2048, "SHA256", "", "", "ab" * 32, 1, ["wrong name"])
    ways = [plain(way) for way in trusts(Findings(certificate=facts), "erp.test", None, None)]
    assert ways == [[], ["server_name: shop.test"], [f'pin_sha256: ["{"ab" * 32}"]']]
    assert [plain(way) for way in trusts(Findings(certificate=facts), "erp.test", None, "cd" * 32)] == [
        [f'pin_sha256: ["{"cd" * 32}"]']
    ]


def test_what_is_weak_says_why_and_until_when() -> None:
    text = Candidate("https://a", (Setting("profile", "legacy", "it is old", True),)).yaml("a", DAY)
    assert "# it is old\n" in text
    assert yaml.safe_load(text)["upstreams"]["a"]["tls"] == {"profile": "legacy", "review_by": date(2027, 11, 21)}


@pytest.mark.parametrize(
    ("name", "worth"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256", Grade.GOOD),
        ("TLS_AES_128_GCM_SHA256", Grade.GOOD),
        ("AES128-GCM-SHA256", Grade.FAIR),
        ("AES128-SHA", Grade.FAIR),
        ("DES-CBC3-SHA", Grade.WEAK),
        ("ECDHE-RSA-RC4-SHA", Grade.WEAK),
        ("DES-CBC-SHA", Grade.BROKEN),
        ("EXP-RC4-MD5", Grade.BROKEN),
        ("ECDHE-RSA-NULL-SHA", Grade.BROKEN),
        ("ADH-AES128-SHA", Grade.BROKEN),
    ],
)
def test_suites_are_graded(name: str, worth: Grade) -> None:
    assert grade(name) is worth
