"""Tests of the capabilities and their negotiation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.caps import CAPABILITIES, Negotiation, Offer, offered
from netsvc.chat.irc.message import BODY_LIMIT

SERVER = "irc.example.org"

#: Everything there is, without TLS.
ALL = Offer(
    accounts=True,
    history=True,
    registration=("before-connect", "custom-account-name"),
    sts_port=6697,
    redaction=True,
    multiline=(4096, 24),
)


def _ask(
    negotiation: Negotiation,
    *params: str,
    client: str = "",
    registered: bool = False,
) -> list[str]:
    """Send a CAP and give the lines of the answer, without source and verb."""
    lines = negotiation.command(client, params, registered=registered)
    start = f":{SERVER} "
    found = []
    for line in lines:
        assert len(line) <= BODY_LIMIT and line.endswith(b"\r\n")
        text = line[:-2].decode()
        assert text.startswith(start)
        found.append(text.removeprefix(start).removeprefix("CAP "))
    return found


def _listed(lines: list[str]) -> dict[str, str]:
    """Read the capabilities of a list, which may have several lines."""
    words = " ".join(line.partition(" :")[2] for line in lines).split()
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


class OfferTests(SynchronousTestCase):
    """What there is depends on the connection and on the server."""

    def test_plain(self) -> None:
        """Without accounts, history and TLS only what always works is listed."""
        found = offered(Offer())
        for name in (
            "sasl",
            "sts",
            "draft/chathistory",
            "draft/event-playback",
            "draft/read-marker",
            "draft/account-registration",
            "draft/message-redaction",
            "draft/multiline",
        ):
            self.assertNotIn(name, found)
        self.assertEqual(found["message-tags"], "")
        self.assertEqual(found["no-implicit-names"], "")

    def test_all(self) -> None:
        """Values tell mechanisms, ports, tokens and limits."""
        found = offered(ALL)
        self.assertEqual(found.keys(), CAPABILITIES.keys())
        self.assertEqual(
            {name: value for name, value in found.items() if value},
            {
                "sasl": "PLAIN,SCRAM-SHA-256",
                "sts": "port=6697",
                "draft/account-registration": "before-connect,custom-account-name",
                "draft/multiline": "max-bytes=4096,max-lines=24",
            },
        )

    def test_mechanisms(self) -> None:
        """EXTERNAL takes TLS, PLAIN too unless passwords may be sent without."""
        for offer, value in (
            (Offer(accounts=True, tls=True), "PLAIN,SCRAM-SHA-256,EXTERNAL"),
            (Offer(accounts=True, plain=False), "SCRAM-SHA-256"),
            (Offer(accounts=True, plain=False, tls=True).mechanisms, None),
            (Offer(tls=True), None),
        ):
            if isinstance(offer, Offer):
                self.assertEqual(offered(offer).get("sasl"), value)
            else:
                self.assertEqual(offer, ("PLAIN", "SCRAM-SHA-256", "EXTERNAL"))

    def test_sts(self) -> None:
        """Over TLS, sts has a duration, where there is one."""
        for offer, value in (
            (Offer(tls=True, sts_port=6697), None),
            (Offer(tls=True, sts_duration=0), "duration=0"),
            (
                Offer(tls=True, sts_duration=9, sts_preload=True),
                "duration=9,preload",
            ),
            (Offer(sts_duration=9), None),
        ):
            self.assertEqual(offered(offer).get("sts"), value)

    def test_registration_takes_accounts(self) -> None:
        """Nobody can register where there are no accounts."""
        self.assertNotIn("draft/account-registration", offered(Offer(registration=())))


class ListTests(SynchronousTestCase):
    """LS and LIST."""

    def test_302(self) -> None:
        """From 302 on, the list has values and may have several lines."""
        negotiation = Negotiation(SERVER, ALL)
        lines = _ask(negotiation, "LS", "302")
        self.assertGreater(len(lines), 1)
        for line in lines[:-1]:
            self.assertTrue(line.startswith("* LS * :"))
        self.assertTrue(lines[-1].startswith("* LS :"))
        self.assertEqual(_listed(lines), offered(ALL))
        self.assertTrue(negotiation.open)
        self.assertEqual(negotiation.enabled, {"cap-notify"})
        self.assertEqual(negotiation.version, 302)

    def test_old(self) -> None:
        """Before 302, the list is one line of names."""
        for number in ("", "301", "x", "-302", "\uff13\uff10\uff12", "3_0_2"):
            negotiation = Negotiation(SERVER, ALL)
            (line,) = _ask(negotiation, "LS", number)
            self.assertTrue(line.startswith("* LS :multi-prefix sasl "))
            self.assertNotIn("=", line)
            self.assertNotIn(" sts", line)
            self.assertEqual(negotiation.enabled, frozenset())
        self.assertEqual(_ask(Negotiation(SERVER, ALL), "ls"), [line])

    def test_old_list_ends(self) -> None:
        """One line that cannot hold all ends between two names."""
        (line,) = _ask(Negotiation(SERVER, ALL), "LS", client="가" * 32)
        names = _listed([line]).keys()
        self.assertLess(len(names), len(offered(ALL)))
        self.assertLessEqual(names, CAPABILITIES.keys())

    def test_lower_later(self) -> None:
        """A lower number later shapes only that answer."""
        negotiation = Negotiation(SERVER, ALL)
        _ask(negotiation, "LS", "307")
        (line,) = _ask(negotiation, "LS", "1")
        self.assertNotIn("=", line)
        self.assertEqual(negotiation.version, 307)
        self.assertEqual(negotiation.enabled, {"cap-notify"})

    def test_list(self) -> None:
        """LIST names what is enabled, and does not hold the registration."""
        negotiation = Negotiation(SERVER, ALL)
        self.assertEqual(_ask(negotiation, "LIST"), ["* LIST :"])
        self.assertFalse(negotiation.open)
        _ask(negotiation, "REQ", "sasl batch")
        self.assertEqual(_ask(negotiation, "list", client="a"), ["a LIST :sasl batch"])

    def test_long_list(self) -> None:
        """Under 302, LIST may have several lines too."""
        negotiation = Negotiation(SERVER, ALL)
        _ask(negotiation, "LS", "302")
        wanted = offered(ALL).keys() - {"sts"}
        for name in wanted:
            _ask(negotiation, "REQ", name)
        lines = _ask(negotiation, "LIST", client="가" * 32)
        self.assertGreater(len(lines), 1)
        self.assertEqual(_listed(lines).keys(), wanted)


class RequestTests(SynchronousTestCase):
    """REQ is all or nothing."""

    def setUp(self) -> None:
        self.negotiation = Negotiation(SERVER, ALL)

    def _request(self, wanted: str) -> str:
        (line,) = _ask(self.negotiation, "REQ", wanted)
        return line

    def test_ack(self) -> None:
        """The list comes back as it was sent, and is enabled."""
        self.assertEqual(
            self._request("server-time  batch "), "* ACK :server-time  batch "
        )
        self.assertEqual(self.negotiation.enabled, {"server-time", "batch"})
        self.assertTrue(self.negotiation.open)

    def test_nak(self) -> None:
        """One name that is not there, and nothing is enabled."""
        for wanted in (
            "batch nope",
            "nope batch",
            "Batch",
            "sasl=PLAIN",
            "sts",
            "batch -sts",
            "batch -nope",
            "batch -",
            "--batch",
            "batch,sasl",
        ):
            self.assertEqual(self._request(wanted), f"* NAK :{wanted}")
            self.assertEqual(self.negotiation.enabled, frozenset())

    def test_disable(self) -> None:
        """C{-name} disables; the last word on a name counts; repeats succeed."""
        for wanted, enabled in (
            ("-batch", set[str]()),
            ("batch", {"batch"}),
            ("batch sasl", {"batch", "sasl"}),
            ("-batch", {"sasl"}),
            ("-batch batch -batch sasl", {"sasl"}),
            ("-sasl sasl", {"sasl"}),
        ):
            self.assertEqual(self._request(wanted), f"* ACK :{wanted}")
            self.assertEqual(self.negotiation.enabled, enabled)

    def test_cap_notify(self) -> None:
        """cap-notify can be disabled, but not under 302."""
        self.assertEqual(self._request("cap-notify"), "* ACK :cap-notify")
        self.assertEqual(self._request("-cap-notify"), "* ACK :-cap-notify")
        _ask(self.negotiation, "LS", "302")
        self.assertEqual(self._request("-cap-notify"), "* NAK :-cap-notify")
        self.assertIn("cap-notify", self.negotiation.enabled)

    def test_several_parameters(self) -> None:
        """A list whose colon was forgotten is a list."""
        self.assertEqual(
            _ask(self.negotiation, "REQ", "batch", "sasl"), ["* ACK :batch sasl"]
        )
        self.assertEqual(self.negotiation.enabled, {"batch", "sasl"})

    def test_empty(self) -> None:
        """A request of nothing succeeds."""
        self.assertEqual(_ask(self.negotiation, "REQ"), ["* ACK :"])
        self.assertEqual(_ask(self.negotiation, "REQ", " "), ["* ACK : "])

    def test_long(self) -> None:
        """An answer too long for a line takes several, and no word is lost."""
        names = [name for name in offered(ALL) if name != "sts"]
        lines = _ask(self.negotiation, "REQ", " ".join(names), client="가" * 32)
        self.assertEqual([line.split(" ")[1] for line in lines], ["ACK"] * 2)
        self.assertEqual(list(_listed(lines)), names)
        self.assertEqual(self.negotiation.enabled, set(names))
        (line,) = _ask(self.negotiation, "REQ", "x" * 500)
        self.assertTrue(line.startswith("* NAK :xxx"))

    def test_needs(self) -> None:
        """A capability that needs another is in effect as soon as both are enabled."""
        self._request("labeled-response")
        self.assertEqual(self.negotiation.enabled, {"labeled-response"})
        self.assertEqual(self.negotiation.effective, frozenset())
        self._request("batch")
        self.assertEqual(self.negotiation.effective, {"batch", "labeled-response"})
        self._request("-batch")
        self.assertEqual(self.negotiation.effective, frozenset())

    def test_old_name(self) -> None:
        """The name of a draft enables what it became."""
        self._request("draft/no-implicit-names")
        self.assertEqual(self.negotiation.effective, {"no-implicit-names"})
        self.assertEqual(self.negotiation.enabled, {"draft/no-implicit-names"})

    @given(st.lists(st.sampled_from([*CAPABILITIES, "-", "-batch", "-sasl", "x", ""])))
    def test_all_or_nothing(self, words: list[str]) -> None:
        """Whatever is asked for, all of it is granted or nothing of it."""
        negotiation = Negotiation(SERVER, ALL)
        lines = _ask(negotiation, "REQ", " ".join(words))
        verbs = {line.split(" ")[1] for line in lines}
        self.assertEqual(len(verbs), 1)
        names = {word.removeprefix("-") for word in words if word}
        granted = names <= offered(ALL).keys() - {"sts"}
        self.assertEqual(verbs, {"ACK" if granted else "NAK"})
        if not granted:
            self.assertEqual(negotiation.enabled, frozenset())


class StateTests(SynchronousTestCase):
    """The registration waits for a negotiation."""

    def test_end(self) -> None:
        """LS and REQ before the registration hold it, until END."""
        for params in (["LS"], ["LS", "302"], ["REQ", "x"], ["REQ"]):
            negotiation = Negotiation(SERVER, ALL)
            _ask(negotiation, *params)
            self.assertTrue(negotiation.open)
            self.assertEqual(_ask(negotiation, "end"), [])
            self.assertFalse(negotiation.open)

    def test_registered(self) -> None:
        """After the registration all of it works, and nothing waits."""
        negotiation = Negotiation(SERVER, ALL)
        _ask(negotiation, "LS", "302", client="a", registered=True)
        (line,) = _ask(negotiation, "REQ", "batch", client="a", registered=True)
        self.assertEqual(line, "a ACK :batch")
        self.assertFalse(negotiation.open)
        self.assertEqual(_ask(negotiation, "END", client="a", registered=True), [])

    def test_mistakes(self) -> None:
        """An unknown subcommand is 410, none at all 461."""
        negotiation = Negotiation(SERVER, ALL)
        for params, line in (
            (["FOO"], "410 * FOO :Invalid CAP command"),
            (["ACK", "batch"], "410 * ACK :Invalid CAP command"),
            ([""], "410 * * :Invalid CAP command"),
            ([":a b"], "410 * * :Invalid CAP command"),
            ([], "461 * CAP :Not enough parameters"),
        ):
            self.assertEqual(_ask(negotiation, *params), [line])
            self.assertFalse(negotiation.open)

    @given(st.lists(st.text(), max_size=3), st.text(max_size=64))
    def test_hostile(self, params: list[str], client: str) -> None:
        """Whatever is sent, the answers are lines within their limit."""
        for line in Negotiation(SERVER, ALL).command(
            client, ["REQ", *params], registered=False
        ):
            self.assertEqual(line.count(b"\n"), 1)
            self.assertLessEqual(len(line), BODY_LIMIT)


class ChangeTests(SynchronousTestCase):
    """What there is changes while clients are connected."""

    def _change(self, before: Offer, after: Offer, *asks: list[str]) -> list[str]:
        self.negotiation = Negotiation(SERVER, before)
        for params in asks:
            self.negotiation.command("", params, registered=False)
        lines = self.negotiation.change("", after)
        return [line[:-2].decode().partition(" CAP ")[2] for line in lines]

    def test_new(self) -> None:
        """What is new, or has another value, is told with its value."""
        before = Offer(sts_port=1)
        after = Offer(accounts=True, sts_port=2)
        self.assertEqual(
            self._change(before, after, ["LS", "302"]),
            ["* NEW :sasl=PLAIN,SCRAM-SHA-256 draft/read-marker sts=port=2"],
        )
        self.assertEqual(
            self._change(before, after, ["REQ", "cap-notify"]),
            ["* NEW :sasl draft/read-marker"],
        )

    def test_gone(self) -> None:
        """What is gone is told, and is no longer in effect; sts is never told so."""
        lines = self._change(
            ALL, Offer(accounts=True), ["LS", "302"], ["REQ", "draft/chathistory batch"]
        )
        self.assertEqual(
            lines,
            [
                "* DEL :draft/chathistory draft/event-playback"
                " draft/account-registration draft/message-redaction draft/multiline"
            ],
        )
        self.assertEqual(self.negotiation.effective, {"batch", "cap-notify"})

    def test_untold(self) -> None:
        """Who does not read it is told nothing, but it is gone for them too."""
        self.assertEqual(self._change(ALL, Offer(), ["LS"], ["REQ", "sasl batch"]), [])
        self.assertEqual(self.negotiation.effective, {"batch"})
        (line,) = self.negotiation.command("", ["REQ", "sasl"], registered=False)
        self.assertIn(b" NAK ", line)

    def test_same(self) -> None:
        """Nothing changes, and nothing is told."""
        self.assertEqual(self._change(ALL, ALL, ["LS", "302"]), [])
