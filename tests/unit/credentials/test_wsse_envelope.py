"""A Security header goes into the envelope, and nothing else of the body changes."""

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.credentials.wsse_envelope import MOST, Opening
from broker.credentials.wsse_layout import SOAP_11, SOAP_12, WSSE, EnvelopeError, Layout, Tag, plain_actor

HEADER = f'<w:Security xmlns:w="{WSSE}">ours</w:Security>'
THEIRS = f'<o:Security xmlns:o="{WSSE}"><o:UsernameToken/></o:Security>'
SIGNATURE = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'
ENCRYPTED = '<EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#"/>'


def edit(pieces: Iterable[bytes], content_type: bytes = b"text/xml", *, keep: bool = False, actor: str = "") -> bytes:
    """The body after the edit, and the promise about its length."""

    def stale(layout: Layout) -> list[Tag]:
        return [one.tag for one in layout.securities if one.actor == plain_actor(actor)]

    opening = Opening(content_type, lambda layout: None if keep and stale(layout) else HEADER, stale)
    out: list[bytes] = []
    came = 0
    for piece in pieces:
        came += len(piece)
        if out:
            out.append(piece)
        elif (begun := opening.feed(piece)) is not None:
            out.append(begun)
    if not out:
        begun = opening.feed(b"", last=True)
        assert begun is not None
        out.append(begun)
    whole = b"".join(out)
    assert len(whole) == came + opening.delta
    return whole


def envelope(header: str = "", body: str = "<q/>", soap: str = SOAP_11, prefix: str = "s") -> str:
    p, mark = (f"{prefix}:", f":{prefix}") if prefix else ("", "")
    return f'<{p}Envelope xmlns{mark}="{soap}">{header}<{p}Body>{body}</{p}Body></{p}Envelope>'


@pytest.mark.parametrize("soap", [SOAP_11, SOAP_12])
@pytest.mark.parametrize("prefix", ["s", "SOAP-ENV", ""])
def test_an_envelope_without_a_header_gets_one(soap: str, prefix: str) -> None:
    name = f"{prefix}:Header" if prefix else "Header"
    bare = envelope(soap=soap, prefix=prefix)
    assert edit([bare.encode()]) == envelope(f"<{name}>{HEADER}</{name}>", soap=soap, prefix=prefix).encode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("<s:Header/>", f"<s:Header>{HEADER}</s:Header>"),
        ("<s:Header a='/>' />", f"<s:Header a='/>' >{HEADER}</s:Header>"),
        ("<s:Header></s:Header>", f"<s:Header>{HEADER}</s:Header>"),
        ("<s:Header>\n <a/> t</s:Header>", f"<s:Header>{HEADER}\n <a/> t</s:Header>"),
        (f"<s:Header>{THEIRS}</s:Header>", f"<s:Header>{HEADER}</s:Header>"),
        (f"<s:Header><a/> {THEIRS} <b/>{THEIRS}</s:Header>", f"<s:Header>{HEADER}<a/>  <b/></s:Header>"),
        (f'<s:Header><Security xmlns="{WSSE}"/></s:Header>', f"<s:Header>{HEADER}</s:Header>"),
        (f'<s:Header><Security xmlns="{WSSE}"/><b></b></s:Header>', f"<s:Header>{HEADER}<b></b></s:Header>"),
        ("<s:Header><Security/></s:Header>", f"<s:Header>{HEADER}<Security/></s:Header>"),
        (
            f"<!-- <s:Header> --><t:Header xmlns:t='{SOAP_11}'/><?pi <s:Body>?>",
            f"<!-- <s:Header> --><t:Header xmlns:t='{SOAP_11}'>{HEADER}</t:Header><?pi <s:Body>?>",
        ),
        ("<s:Header><![CDATA[<s:Body>]]></s:Header>", f"<s:Header>{HEADER}<![CDATA[<s:Body>]]></s:Header>"),
    ],
)
def test_the_header_is_put_first_and_takes_the_place_of_the_callers(header: str, expected: str) -> None:
    assert edit([envelope(header).encode()]) == envelope(expected).encode()


def test_a_header_for_another_actor_stays() -> None:
    other = THEIRS.replace("<o:Security", '<o:Security s:actor="urn:other"')
    assert edit([envelope(f"<s:Header>{other}</s:Header>").encode()]) == (
        envelope(f"<s:Header>{HEADER}{other}</s:Header>").encode()
    )
    assert edit([envelope(f"<s:Header>{other}</s:Header>").encode()], actor="urn:other") == (
        envelope(f"<s:Header>{HEADER}</s:Header>").encode()
    )


def test_the_ultimate_receiver_has_a_name_in_soap_1_2() -> None:
    named = THEIRS.replace("<o:Security", f'<o:Security s:role="{SOAP_12}/role/ultimateReceiver"')
    assert edit([envelope(f"<s:Header>{named}</s:Header>", soap=SOAP_12).encode()]) == (
        envelope(f"<s:Header>{HEADER}</s:Header>", soap=SOAP_12).encode()
    )


@pytest.mark.parametrize("inside", ["", SIGNATURE, ENCRYPTED])
def test_keep_leaves_a_call_with_a_header_as_it_came(inside: str) -> None:
    theirs = envelope(f"<s:Header>{THEIRS.replace('<o:UsernameToken/>', inside)}</s:Header>").encode()
    assert edit([theirs], keep=True) == theirs


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (envelope(f"<s:Header>{THEIRS.replace('<o:UsernameToken/>', SIGNATURE)}</s:Header>"), "is signed.*existing"),
        (envelope(f"<s:Header>{THEIRS.replace('<o:UsernameToken/>', ENCRYPTED)}</s:Header>"), "is encrypted"),
        (envelope(f"<s:Header>{ENCRYPTED}</s:Header>"), "is encrypted"),
        (envelope(body=f" <!-- -->{ENCRYPTED}"), "is encrypted"),
        ("<a/>", "no SOAP envelope"),
        ('<Envelope xmlns="urn:x"><Body/></Envelope>', "no SOAP envelope"),
        (f'<Envelope xmlns="{SOAP_11}"><Header/></Envelope>', "no SOAP envelope"),
        (f'<Envelope xmlns="{SOAP_11}"><Body xmlns="{SOAP_12}"/></Envelope>', "no SOAP envelope"),
        (f'<Envelope xmlns="{SOAP_11}"><Header/><Header/><Body/></Envelope>', "no SOAP envelope"),
        (f'<Envelope xmlns="{SOAP_11}"><Header>', "no well-formed XML"),
        (f'<Envelope xmlns="{SOAP_11}"><Header></Body>', "no well-formed XML"),
        ('{"a": 1}', "no well-formed XML"),
        ("", "no well-formed XML"),
        ("x", "no well-formed XML"),
        (f'<!DOCTYPE a [<!ENTITY b "c">]>{envelope()}', "document type declaration"),
        (envelope(body="&b;"), "no well-formed XML"),
        ('<?xml version="1.0" encoding="shift_jis"?><a/>', "encoding is not understood"),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "encoding is not understood"),
        (envelope("<ä:Header/>", prefix="ä"), "prefix that is not ASCII"),
        (envelope(f"<s:Header>{' ' * MOST}</s:Header>"), "first 256 KiB"),
    ],
)
def test_what_cannot_be_given_a_header_is_refused(document: str, reason: str) -> None:
    with pytest.raises(EnvelopeError, match=reason):
        edit([document.encode()])


def test_compressed_bodies_are_refused_by_name() -> None:
    with pytest.raises(EnvelopeError, match="gzip"):
        edit([b"\x1f\x8b\x08\x00rest"])


@pytest.mark.parametrize(
    ("codec", "start", "content_type"),
    [
        ("utf-8", "", b"text/xml; charset=utf-8"),
        ("utf-8", "", b"text/xml; charset=UTF8"),
        ("utf-8-sig", "", b"text/xml"),
        ("utf-8-sig", "", b"text/xml; charset=iso-8859-1"),
        ("utf-8", '<?xml version="1.0" encoding="utf-16"?>', b'application/soap+xml; charset="utf-8"; action="x"'),
        ("utf-16", '<?xml version="1.0"?>', b"text/xml"),
        ("utf-16-le", '<?xml version="1.0" encoding="utf-16"?>', b"text/xml; charset=utf-16le"),
        ("utf-16-be", "", b"text/xml; charset=utf-16be"),
        ("iso-8859-1", '<?xml version="1.0" encoding="ISO-8859-1"?>', b"text/xml"),
        ("iso-8859-1", "", b"text/xml; charset=iso-8859-1"),
        ("cp1252", '<?xml version="1.0" encoding="windows-1252"?>', b""),
        ("cp1251", '<?xml version="1.0" encoding="windows-1251"?>', b""),
    ],
)
@pytest.mark.parametrize("header", ["", f"<s:Header>{THEIRS}<a>Ä</a></s:Header>", "<s:Header/>"])
def test_the_header_is_written_in_the_encoding_of_the_document(
    codec: str, start: str, content_type: bytes, header: str
) -> None:
    if codec == "cp1251":
        header = header.replace("Ä", "Ж")
    expected = {"": f"<s:Header>{HEADER}</s:Header>", "<s:Header/>": f"<s:Header>{HEADER}</s:Header>"}
    after = expected.get(header) or header.replace(THEIRS, HEADER)
    assert edit([(start + envelope(header)).encode(codec)], content_type) == (start + envelope(after)).encode(codec)


def test_what_follows_the_beginning_is_not_looked_at() -> None:
    rest = b"\xff\x00 & < not XML at all"
    begin = envelope(body="<q/>").encode().partition(b"</s:Body>")[0]
    out = edit([begin, rest])
    assert out.endswith(b"<q/>" + rest)


def test_a_long_first_element_of_the_body_is_no_reason_to_wait() -> None:
    long = f"<q a='{'x' * MOST}'/>"
    assert edit([envelope(body=long).encode()]) == envelope(f"<s:Header>{HEADER}</s:Header>", body=long).encode()


MULTI = b'multipart/related; type="application/xop+xml"; start="<root>"; boundary=uuid:1'


def parts(root: str, fields: str = "Content-ID: <root>\r\nContent-Type: application/xop+xml; charset=utf-8") -> bytes:
    return f"--uuid:1\r\n{fields}\r\n\r\n{root}\r\n--uuid:1\r\n\r\n\x00attached\r\n--uuid:1--".encode()


@pytest.mark.parametrize("begin", [b"", b"\r\n"])
def test_the_root_part_of_mtom_is_edited(begin: bytes) -> None:
    out = edit([begin + parts(envelope("<s:Header/>"))], MULTI)
    assert out == begin + parts(envelope(f"<s:Header>{HEADER}</s:Header>"))


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        (b"multipart/form-data; boundary=uuid:1", parts(envelope()), "multipart/related"),
        (b"multipart/related", parts(envelope()), "multipart/related"),
        (MULTI, b"preamble\r\n" + parts(envelope()), "begin with its boundary"),
        (MULTI, parts(envelope()).replace(b"--uuid:1\r\n", b"--uuid:12\r\n", 1), "begin with its boundary"),
        (MULTI, parts(envelope()).replace(b"<root>", b"<other>"), "not the first"),
        (MULTI, parts(envelope(), "Content-ID: <root>\r\nContent-Type: image/png"), "no XML"),
        (
            MULTI,
            parts(envelope(), "Content-ID: <root>\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: base64"),
            "encoded",
        ),
        (MULTI, b"--uuid:1", "no first part"),
        (MULTI, b"--uuid:1\r\nX: " + b"x" * 20000, "no first part"),
        (MULTI, parts("<a/>"), "no SOAP envelope"),
        (MULTI, parts("x"), "no well-formed"),
    ],
)
def test_other_bodies_of_several_parts_are_refused(content_type: bytes, body: bytes, reason: str) -> None:
    with pytest.raises(EnvelopeError, match=reason):
        edit([body], content_type)


def outcome(pieces: list[bytes], content_type: bytes) -> object:
    try:
        return edit(pieces, content_type)
    except EnvelopeError as error:
        return str(error)


SAMPLES = [
    (b"text/xml", envelope(f"<s:Header><a/>{THEIRS}\n<b>t</b></s:Header>").encode()),
    (b"text/xml", ("\ufeff<?xml version='1.0'?><!-- c -->" + envelope()).encode()),
    (b"text/xml", envelope("<s:Header/>").encode("utf-16")),
    (b"text/xml; charset=iso-8859-1", envelope("<s:Header><a>ä</a></s:Header>").encode("latin-1")),
    (b"text/xml", envelope(body=ENCRYPTED).encode()),
    (b"text/xml", b"<a><b></a>"),
    (b"text/xml", b"\x1f\x8b\x08\x00rest"),
    (MULTI, b"\r\n" + parts(envelope("<s:Header/>"))),
    (MULTI, b"\r\n" + parts("\ufeff" + envelope("<s:Header/>"))),
    (MULTI, b"\rnonsense"),
]


@given(st.sampled_from(SAMPLES), st.data())
def test_however_a_body_is_cut_the_result_is_the_same(sample: tuple[bytes, bytes], data: st.DataObject) -> None:
    content_type, body = sample
    places = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    pieces = [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]
    assert outcome(pieces, content_type) == outcome([body], content_type)
    assert outcome([body[i : i + 1] for i in range(len(body))], content_type) == outcome([body], content_type)


TOKENS = st.sampled_from(
    [
        "<", ">", "/", "=", '"', "'", "&", ";", "<!--", "-->", "<![CDATA[", "]]>", "<?xml", "?>", "<!DOCTYPE", " ",
        "\n",
        "s:", "xmlns", ":s=", f'"{SOAP_11}"', "Envelope", "Header", "Body", "Security", f'"{WSSE}"', "<s:Header>",
        f'<s:Envelope xmlns:s="{SOAP_11}">', "<s:Body>", "</s:Header>", "ä", "\ufeff", THEIRS, SIGNATURE, "encoding=",
        '"utf-16"', '"unicode_escape"', '"cp037"', "--uuid:1\r\n", "\r\n\r\n", "Content-ID: <root>", "\0",
    ]
)  # fmt: skip
TYPES = st.sampled_from([b"", b"text/xml", b"text/xml; charset=utf-16", b"text/xml; charset=rot13", b"x;;=", MULTI])


@given(st.lists(TOKENS, max_size=30), TYPES | st.binary(max_size=40), st.sampled_from(["utf-8", "utf-16"]))
def test_nearly_xml_never_crashes(tokens: list[str], content_type: bytes, codec: str) -> None:
    body = "".join(tokens).encode(codec)
    outcome([body[i : i + 7] for i in range(0, len(body), 7)], content_type)


@given(st.binary(max_size=200), st.binary(max_size=200), TYPES)
def test_what_is_edited_is_still_what_it_was(header: bytes, body: bytes, content_type: bytes) -> None:
    """Where random bytes happen to pass, taking the header out again gives what came."""
    document = f'<s:Envelope xmlns:s="{SOAP_11}"><s:Header>'.encode() + header + b"</s:Header><s:Body>" + body
    result = outcome([document], content_type)
    if isinstance(result, bytes):
        assert result.replace(HEADER.encode(), b"", 1) == document


def test_a_tag_that_never_ends_costs_no_more_than_its_size() -> None:
    body = envelope(f"<s:Header a='{'x' * (MOST - 1000)}'/>").encode()
    assert outcome([body[i : i + 1] for i in range(len(body))], b"text/xml") == outcome([body], b"text/xml")


def test_the_result_is_an_envelope_to_another_parser() -> None:
    root = ET.fromstring(edit([envelope(f"<s:Header>{THEIRS}</s:Header>").encode()]))
    assert [child.tag for child in root] == [f"{{{SOAP_11}}}Header", f"{{{SOAP_11}}}Body"]
    assert re.fullmatch(r"\{.*\}Security", root[0][0].tag)
