"""STUN clients that others wrote, on a relay's port."""

from __future__ import annotations

import subprocess

import aioice.stun as ice

from tests.integration.echo_process import PATIENCE, tool
from tests.integration.relay_process import UDP, RelayCase, RelayProcess


class ClientTests(RelayCase):
    """Each learns its address."""

    def run_client(self, *words: str) -> str:
        """Run a client; give what it says."""
        done = subprocess.run(
            [tool(words[0]), *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.stdout

    def test_stunclient(self) -> None:
        """turnutils_stunclient is told its address, over IPv4 and over IPv6."""
        relay = self.start(listens=(UDP, "udp:0:interface=\\:\\:1"))
        for host, port in (("127.0.0.1", relay.port), ("::1", relay.ports[1])):
            said = self.run_client("turnutils_stunclient", "-p", str(port), host)
            self.assertIn("UDP reflexive addr", said)
            self.assertIn(host, said.split("reflexive addr")[1])

    def test_stunclient_alternate(self) -> None:
        """turnutils_stunclient comes to its end where there is a second port, too."""
        for alternate, said in (
            (UDP, "error 420"),
            ("udp:0:interface=127.0.0.2", "RFC 5780 response 3"),
        ):
            relay = self.start("--alternate", alternate)
            port = str(relay.port)
            self.assertIn(
                said, self.run_client("turnutils_stunclient", "-p", port, "127.0.0.1")
            )

    def test_natdiscovery(self) -> None:
        """turnutils_natdiscovery learns by the other port that there is no NAT."""
        relay = self.start("--alternate", UDP)
        said = self.run_client(
            "turnutils_natdiscovery", "-m", "-f", "-p", str(relay.port), "127.0.0.1"
        )
        self.assertIn("Endpoint Independent Mapping", said)
        self.assertIn(f"Other addr: : 127.0.0.1:{relay.ports[1]}", said)

    def test_vovida(self) -> None:
        """The stun client of Vovida, which speaks RFC 3489, is told its address."""
        relay = self.start("--alternate", UDP)
        said = self.run_client("stun", f"127.0.0.1:{relay.port}", "-v")
        self.assertIn("MappedAddress = 127.0.0.1:", said)
        self.assertIn("Primary: Open", said)

    def ask(self, relay: RelayProcess, message: ice.Message) -> ice.Message:
        """Send a message of aioice's; give the answer as it reads it."""
        peer = self.peer(relay)
        peer.say(bytes(message))
        answer = ice.parse_message(peer.hear())
        self.assertEqual(answer.transaction_id, message.transaction_id)
        if "XOR-MAPPED-ADDRESS" in answer.attributes:
            self.assertEqual(
                answer.attributes["XOR-MAPPED-ADDRESS"], peer.skt.getsockname()
            )
        return answer

    def test_aioice(self) -> None:
        """aioice reads the answers, and checks their integrity and fingerprint."""
        password = self.folder / "password"
        password.write_text("secret\n")
        plain = self.start()
        request = ice.Message(ice.Method.BINDING, ice.Class.REQUEST)
        answer = self.ask(plain, request)
        self.assertEqual(answer.message_class, ice.Class.RESPONSE)
        locked = self.start("--stun-user", "ann", "--stun-password", str(password))
        answer = self.ask(locked, request)
        self.assertEqual(answer.attributes["ERROR-CODE"][0], 400)
        request = ice.Message(ice.Method.BINDING, ice.Class.REQUEST)
        request.attributes["USERNAME"] = "ann"
        request.add_message_integrity(b"secret")
        peer = self.peer(locked)
        peer.say(bytes(request))
        answer = ice.parse_message(peer.hear())
        self.assertTrue(answer.check_message_integrity(b"secret"))
        self.assertEqual(answer.message_class, ice.Class.RESPONSE)
        self.assertIn("FINGERPRINT", answer.attributes)
