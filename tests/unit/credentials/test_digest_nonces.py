"""What becomes of nonces, passwords and the calls themselves, from call to call."""

import pytest
from digest_rig import MD5, SHA256, SIMPLE, challenged, digest, ends, expected, get, refusal, sent

from broker.credentials.digest import DigestInjector
from broker.credentials.flow import Await, Call, CredentialUnavailable, Seen, Send


def test_a_known_nonce_saves_the_round_trip_and_counts_on() -> None:
    injector = digest()
    challenged(injector, SHA256)
    for count in (b"00000002", b"00000003"):
        flow = injector.flow(get(b"/other?x=1&y=%20"))
        found = sent(next(flow))
        assert (found[b"nc"], found[b"uri"]) == (count, b"/other?x=1&y=%20")
        assert ends(flow, Seen(500, []))


def test_concurrent_calls_share_the_count() -> None:
    injector = digest()
    challenged(injector, SHA256)
    flows = [injector.flow(get()) for _ in range(50)]
    assert len({sent(next(flow))[b"nc"] for flow in flows}) == 50
    # All of them are refused, with the nonce that they had.
    assert len({sent(flow.send(refusal(SHA256)))[b"nc"] for flow in flows}) == 50


def test_machines_with_nonces_of_their_own_do_not_see_a_count_twice() -> None:
    injector = digest()
    counts = []
    for nonce in (b"a", b"b", b"a", b"b", b"a"):
        flow = injector.flow(get())
        next(flow)
        counts.append(sent(flow.send(refusal(SIMPLE % nonce)))[b"nc"][-1:])
        assert ends(flow, Seen(200, []))
    assert counts[0] == b"1"
    assert len(set(counts[0::2])) == 3


def test_another_upstream_has_another_nonce() -> None:
    injector = digest()
    challenged(injector, SHA256)
    first = next(injector.flow(Call(b"GET", b"/", b"other.example.org")))
    assert isinstance(first, Send)
    assert first.lines == ()


def test_nextnonce_is_used_from_then_on() -> None:
    injector = digest()
    flow, _ = challenged(injector, SIMPLE % b"a")
    assert ends(flow, Seen(204, [(b"Authentication-Info", b'qop=auth, rspauth="x", nextnonce="b"')]))
    found = sent(next(injector.flow(get())))
    assert (found[b"nonce"], found[b"nc"]) == (b"b", b"00000001")


def test_a_stale_nonce_is_no_wrong_password() -> None:
    asked = []

    async def renew() -> bool:
        asked.append(1)
        return True

    flow, _ = challenged(digest(renew=renew), SIMPLE % b"a")
    assert sent(flow.send(refusal(SIMPLE % b"b" + b", stale=TRUE")))[b"nonce"] == b"b"
    assert ends(flow, refusal(SIMPLE % b"c" + b', stale="true"'))
    assert not asked


def test_a_kept_nonce_that_ran_out_is_replaced_even_where_nobody_calls_it_stale() -> None:
    injector = digest()
    challenged(injector, SIMPLE % b"a")
    flow = injector.flow(get())
    next(flow)
    assert sent(flow.send(refusal(SIMPLE % b"b")))[b"nonce"] == b"b"
    assert ends(flow, Seen(200, []))


async def test_a_wrong_password_stands_after_one_answer() -> None:
    injector = digest()
    for _ in range(2):
        # What led to nothing is not kept: each call waits to be challenged, and fails once.
        flow, _ = challenged(injector, SHA256)
        step = flow.send(refusal(SHA256))
        assert isinstance(step, Await)
        assert ends(flow, await step.what())


async def test_a_renewed_password_is_tried_once() -> None:
    passwords = iter([b"old", b"new", b"never"])

    async def renew() -> bool:
        return True

    injector = DigestInjector(lambda: b"u", lambda: next(passwords), renew)
    flow, step = challenged(injector, SIMPLE % b"a")
    old = sent(step)
    waiting = flow.send(refusal(SIMPLE % b"b"))
    assert isinstance(waiting, Await)
    new = sent(flow.send(await waiting.what()))
    assert new[b"response"] == expected(b"u:r:new", new)
    assert old[b"response"] == expected(b"u:r:old", old)
    assert ends(flow, refusal(SIMPLE % b"c"))
    assert next(passwords) == b"never"


@pytest.mark.parametrize(
    ("challenges", "named"),
    [
        ([b'Basic realm="x", Bearer', b"NTLM"], "basic, bearer, ntlm"),
        ([b'Digest realm="r", nonce="n", algorithm=MD4'], "digest"),
        ([b'Digest realm="r", nonce="n", qop="auth-conf"'], "digest"),
        ([b'Digest realm="r"'], "digest"),
    ],
)
def test_an_upstream_without_a_known_digest_is_named_with_what_it_offers(challenges: list[bytes], named: str) -> None:
    with pytest.raises(CredentialUnavailable, match=f"but: {named}$"):
        challenged(digest(), *challenges)


def test_a_401_without_a_challenge_is_the_applications_own() -> None:
    flow = digest().flow(get())
    next(flow)
    assert ends(flow, Seen(401, []))


def test_a_call_that_goes_out_once_gets_a_fresh_nonce_first() -> None:
    injector = digest()
    challenged(injector, SIMPLE % b"old")
    flow = injector.flow(get(has_body=True, repeatable=False))
    question = next(flow)
    assert isinstance(question, Send)
    assert (question.without_body, question.lines) == (True, ())
    step = flow.send(refusal(SIMPLE % b"a"))
    assert sent(step)[b"nonce"] == b"a"
    assert isinstance(step, Send)
    assert not step.without_body
    assert ends(flow, refusal(SIMPLE % b"b"))


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_call_that_goes_out_once_goes_out_where_no_login_is_asked_for(status: int) -> None:
    flow = digest().flow(get(has_body=True, repeatable=False))
    next(flow)
    step = flow.send(Seen(status, []))
    assert isinstance(step, Send)
    assert (step.without_body, step.lines) == (False, ())
    assert ends(flow, Seen(200, []))


def test_nothing_secret_is_shown() -> None:
    injector = digest()
    _, step = challenged(injector, MD5)
    assert injector.preview == ((b"Authorization", b"Digest ***"),)
    for text in (repr(step), repr(injector), repr(vars(injector))):
        assert "Circle" not in text
        assert "8ca523f5" not in text
