"""The validator in front of a resolver, over a signed tree in memory."""

from __future__ import annotations

from typing import Any

import dns.name
import dns.rcode
from dns.message import Message
from dns.rdatatype import RdataType
from twisted.internet.defer import Deferred, fail, succeed

from netsvc.dns.chain import on_chain
from netsvc.dns.errors import Bogus, ServerTimeout, Unvalidated
from netsvc.dns.lookups.validating import ValidatingAsks
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import Question, Record, Result, Security
from netsvc.dns.rrtypes import CH, TXT, A
from netsvc.dns.servers import Server
from netsvc.dns.wire import parse
from tests.dns.dnssec.case import Case, anchors_for, forge, run
from tests.dns.lookups.kit import OTHER, SERVER, address, timeout


class Servers:
    """
    Two servers with the same data, of which the first may lie or be silent.

    @ivar asked: whom each question went to.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.asked: list[tuple[Server, Question]] = []
        self.lies: dict[Server, Any] = {}
        self.silent: set[Server] = set()
        self.extra: tuple[Record, ...] = ()
        self.garbles = False

    def query(
        self,
        name: str | bytes,
        rtype: str | int = "A",
        rclass: str | int = "IN",
        options: QueryOptions = PLAIN,
    ) -> Deferred[Result]:
        """Answer as a resolver would: by the first server that is not silent."""
        assert isinstance(name, bytes)
        assert isinstance(rtype, int) and isinstance(rclass, int)
        assert options.dnssec and options.checking_disabled
        left = [each for each in options.servers if each not in self.silent]
        if not left:
            return fail(timeout(options.servers[0]))
        server, question = left[0], Question(name, rtype, rclass)
        self.asked.append((server, question))
        where, kind = dns.name.from_wire(name, 0)[0], RdataType.make(rtype)
        message: Message = run(self.case, self.case.upstream.fetch(where, kind))
        if server in self.lies:
            message = self.lies[server](message)
        data = message.to_wire(max_size=65535)
        read = parse(data)
        records = on_chain(read.answer, question) + self.extra
        result = Result(question, read.rcode, records, read.authority)
        data = b"" if self.garbles else data
        return succeed(result._replace(server=server, transport="udp", wire=data))


class ValidatingTests(Case):
    """Secure, insecure, bogus, and who is asked then."""

    def setUp(self) -> None:
        super().setUp()
        self.servers = Servers(self)
        self.asks = ValidatingAsks(
            self.servers, [SERVER, OTHER], anchors_for(self.root), lambda: self.now
        )

    def ask(self, name: str, rtype: int = A, rclass: int = 1) -> Deferred[Result]:
        return self.asks.query(from_text(name), rtype, rclass)

    def test_secure(self) -> None:
        """An answer that is signed is secure, a negative one too."""
        for name in ("www.nsec.test", "nosuch.nsec3.test", "alias2.nsec.test"):
            result = self.successResultOf(self.ask(name))
            self.assertIs(result.security, Security.SECURE)
            self.assertEqual((result.reasons, result.errors), ((), ()))

    def test_insecure(self) -> None:
        """An answer of a zone that is proven not to be signed is insecure."""
        result = self.successResultOf(self.ask("www.plain.test"))
        self.assertIs(result.security, Security.INSECURE)

    def test_liar_passed_over(self) -> None:
        """A server whose answer is bogus is passed over, and told of."""
        self.servers.lies[SERVER] = forge
        result = self.successResultOf(self.ask("www.nsec.test"))
        self.assertEqual((result.server, result.addresses), (OTHER, ("192.0.2.1",)))
        (error,) = result.errors
        self.assertIsInstance(error, Bogus)
        self.assertEqual(error.server, SERVER)

    def test_all_lie(self) -> None:
        """If all lie the lookup fails, with the reason."""
        self.servers.lies = {SERVER: forge, OTHER: forge}
        failure = self.failureResultOf(self.ask("www.nsec.test"), Bogus)
        self.assertEqual(len(failure.value.errors), 2)

    def test_liar_and_silence(self) -> None:
        """If the others are silent it is the lie that is told of."""
        self.servers.lies[SERVER] = forge
        self.servers.silent = {OTHER}
        failure = self.failureResultOf(self.ask("www.nsec.test"), Bogus)
        kinds = [type(each) for each in failure.value.errors]
        self.assertEqual(kinds, [Bogus, ServerTimeout])
        self.servers.silent = {SERVER, OTHER}
        self.failureResultOf(self.ask("www.nsec.test"), ServerTimeout)

    def test_chain_from_same_server(self) -> None:
        """The chain is asked from the server that has answered."""
        self.servers.silent = {SERVER}
        self.successResultOf(self.ask("www.nsec.test"))
        self.assertEqual({server for server, _ in self.servers.asked}, {OTHER})

    def test_chain_held_back(self) -> None:
        """Who holds back the keys must not have his answer believed."""

        def hold_back(message: Message) -> Message:
            if message.question[0].rdtype in (RdataType.DS, RdataType.DNSKEY):
                message.set_rcode(dns.rcode.SERVFAIL)
                message.answer.clear()
                message.authority.clear()
            return message

        self.servers.lies = {SERVER: hold_back, OTHER: hold_back}
        failure = self.failureResultOf(self.ask("www.nsec.test"), Unvalidated)
        self.assertIn("cannot be validated: . DNSKEY: SERVFAIL", str(failure.value))

    def test_empty_non_terminal(self) -> None:
        """What the header says of an empty name is put right."""

        def claim(message: Message) -> Message:
            if message.question[0].name == dns.name.from_text("empty.nsec.test"):
                message.set_rcode(dns.rcode.NXDOMAIN)
            return message

        self.servers.lies[SERVER] = claim
        result = self.successResultOf(self.ask("empty.nsec.test"))
        self.assertEqual((result.rcode, result.server), (0, SERVER))
        self.assertIs(result.security, Security.SECURE)

    def test_more_than_signed(self) -> None:
        """A record that nobody has signed makes a secure answer bogus."""
        self.servers.extra = (address("www.other.test", "6.6.6.6"),)
        failure = self.failureResultOf(self.ask("www.nsec.test"), Bogus)
        self.assertIn("not signed", str(failure.value))

    def test_unreadable(self) -> None:
        """A message that cannot be read again is bogus."""
        self.servers.garbles = True
        self.failureResultOf(self.ask("www.nsec.test"), Bogus)

    def test_other_classes(self) -> None:
        """Only the Internet's names are signed."""
        result = self.successResultOf(self.ask("www.nsec.test", TXT, CH))
        self.assertIs(result.security, Security.UNCHECKED)

    def test_no_anchor(self) -> None:
        """What no anchor covers is neither secure nor bogus."""
        anchors = anchors_for(self.zone("other.test."))
        asks = ValidatingAsks(self.servers, [SERVER], anchors, lambda: self.now)
        result = self.successResultOf(asks.query(from_text("www.nsec.test"), A, 1))
        self.assertIs(result.security, Security.INDETERMINATE)
        self.assertEqual(result.reasons[0].code, 5)
