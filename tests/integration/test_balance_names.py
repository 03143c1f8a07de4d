"""Backends by name and by SRV record, through our own DNS client."""

from __future__ import annotations

import socket
import threading

import dns.message
import dns.rcode
import dns.rrset

from tests.integration.balance_process import (
    PATIENCE,
    BalanceCase,
    BalanceProcess,
    greet,
)
from tests.integration.echo_process import until


class NameServer:
    """
    A name server that the test plays, over UDP.

    @ivar records: the data of records by name and type.
    @ivar fails: whether it answers SERVFAIL.
    """

    def __init__(self) -> None:
        """Serve in a thread."""
        self.records: dict[tuple[str, str], list[str]] = {}
        self.fails = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, address = self._socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            reply = dns.message.make_response(query)
            question = query.question[0]
            rtype = question.rdtype.name
            found = self.records.get((str(question.name).lower(), rtype))
            if self.fails:
                reply.set_rcode(dns.rcode.SERVFAIL)
            elif found:
                rrset = dns.rrset.from_text(question.name, 1, "IN", rtype, *found)
                reply.answer.append(rrset)
            self._socket.sendto(reply.to_wire(), address)

    def close(self) -> None:
        """End."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closer:
            closer.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(PATIENCE)
        self._socket.close()


class NameTests(BalanceCase):
    """What the DNS says changes, and the backends with it."""

    def setUp(self) -> None:
        """Have a name server, and two backends."""
        super().setUp()
        self.names = NameServer()
        self.addCleanup(self.names.close)
        self.one, self.two = self.backend(greet(b"one")), self.backend(greet(b"two"))

    def begin(self, backend: str) -> BalanceProcess:
        """Start a balancer that asks the name server."""
        return self.start(
            *("--resolver", f"127.0.0.1:{self.names.port}"),
            *("--check-interval", "100ms", "--check-timeout", "1m", "--rise", "1"),
            backends=[backend],
        )

    def found(self, balancer: BalanceProcess) -> set[str]:
        """Give who answers now."""
        return {self.ask(balancer, b"").decode() for _ in range(4)}

    def until_found(self, balancer: BalanceProcess, *wanted: str) -> None:
        """Wait until just these answer."""
        until(lambda: self.found(balancer) == set(wanted), f"{wanted} answer", PATIENCE)

    def test_services(self) -> None:
        """SRV records come and go; when no server answers they stay."""
        name = "_echo._tcp.zone.test."
        self.names.records = {
            (name, "SRV"): [f"0 1 {self.one.port} here.zone.test."],
            ("here.zone.test.", "A"): ["127.0.0.1"],
        }
        balancer = self.begin("srv:_echo._tcp.zone.test")
        self.until_found(balancer, "one")
        self.names.records[name, "SRV"] += [f"0 1 {self.two.port} here.zone.test."]
        self.until_found(balancer, "one", "two")
        self.names.records[name, "SRV"] = [f"0 1 {self.two.port} here.zone.test."]
        self.until_found(balancer, "two")
        self.names.records[name, "SRV"] += ["0 1 1 gone.zone.test."]
        none = "targets that cannot be looked up (1), what is known of them stays"
        until(lambda: none in balancer.log(), "the target is told", PATIENCE)
        self.assertEqual(self.found(balancer), {"two"})
        self.names.fails = True
        stay = "cannot be looked up, its addresses stay"
        until(lambda: stay in balancer.log(), "the failure is told", PATIENCE)
        self.assertIn("SERVFAIL", balancer.log())
        self.assertEqual(self.found(balancer), {"two"})

    def test_addresses(self) -> None:
        """The addresses of a name change."""
        key = ("www.zone.test.", "A")
        self.names.records[key] = ["127.0.0.1"]
        balancer = self.begin(f"www.zone.test:{self.one.port},name=www")
        self.until_found(balancer, "one")
        self.names.records[key] = ["127.0.0.2"]  # where nobody listens
        until(
            lambda: any("127.0.0.2" in str(row) for row in balancer.rows().values()),
            "the address has changed",
            PATIENCE,
        )
        self.assertEqual(self.found(balancer), {""})
