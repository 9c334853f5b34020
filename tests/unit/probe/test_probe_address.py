"""URLs as people write them."""

import pytest

from broker.probe.address import parse_address


@pytest.mark.parametrize(
    ("url", "target", "path"),
    [
        ("https://erp.test/Service.asmx", "https://erp.test", "/Service.asmx"),
        ("https://ERP.test:8443", "https://erp.test:8443", "/"),
        ("erp.test:8443/a?b=c", "https://erp.test:8443", "/a?b=c"),
        ("http://erp.test/", "http://erp.test", "/"),
        ("https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443", "/x"),
        ("https://10.0.0.12", "https://10.0.0.12", "/"),
        ("https://bücher.test/Straße?a=ü b", "https://xn--bcher-kva.test", "/Stra%C3%9Fe?a=%C3%BC%20b"),
        ("https://erp.test/a%20b#part", "https://erp.test", "/a%20b"),
    ],
)
def test_good_urls(url: str, target: str, path: str) -> None:
    address = parse_address(url)
    assert (address.target(), address.path) == (target, path)


def test_a_path_of_its_own_replaces_the_one_of_the_url() -> None:
    assert parse_address("https://erp.test/a", "/b?c").path == "/b?c"
    assert parse_address("https://erp.test/a", "b").path == "/b"


@pytest.mark.parametrize(
    "url",
    ["https://", "ftp://erp.test", "https://a:b@erp.test", "https://erp.test:99999", "https://erp.test:0", "https://[::g]",
     "https://[fe80::1%25eth0]", "https://a b", "https://erp..test", "https://999.1.1.1"],
)  # fmt: skip
def test_bad_urls_are_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        parse_address(url)
    assert "a:b" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "name"), [("https://erp.test", True), ("https://10.0.0.1", False), ("https://[::1]", False)]
)
def test_addresses_are_never_sent_as_names(url: str, name: bool) -> None:
    assert parse_address(url).is_name is name
