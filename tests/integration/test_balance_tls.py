"""TLS through netsvc-balance: ended, passed on by name, and begun to backends."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from netsvc.balance.client_hello import Reader
from netsvc.balance.proxy_header import Header
from netsvc.balance.proxy_protocol import Parser, encode_v1, encode_v2
from tests.integration.balance_certificates import Authority
from tests.integration.balance_process import (
    PATIENCE,
    BalanceCase,
    BalanceProcess,
    echo,
    greet,
    late,
)
from tests.integration.echo_process import until
from tests.integration.streams import ended, receive, receive_all

LISTEN = "ssl:0:interface=127.0.0.1:privateKey={0}:certKey={0}"


class TLSCase(BalanceCase):
    """A test with certificates."""

    def setUp(self) -> None:
        """Make the authority."""
        super().setUp()
        self.authority = Authority(self.folder)

    def connect_tls(
        self,
        where: BalanceProcess | int,
        name: str = "one.test",
        alpn: tuple[str, ...] = (),
    ) -> ssl.SSLSocket:
        """Connect by TLS, and verify the certificate."""
        client = self.connect(where)
        wrapped = self.authority.client(alpn).wrap_socket(client, server_hostname=name)
        self.addCleanup(wrapped.close)
        return wrapped

    def exchange(
        self, client: ssl.SSLSocket, chunks: Sequence[bytes], slow: bool = False
    ) -> bytes:
        """Send chunks and receive as much, in one thread: TLS is not made for two."""
        client.setblocking(False)
        waiting = [memoryview(chunk) for chunk in chunks]
        left = sum(map(len, chunks))
        got = bytearray()
        deadline = time.monotonic() + PATIENCE
        while len(got) < left and time.monotonic() < deadline:
            if waiting:
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    sent = client.send(waiting[0])
                    waiting[0] = waiting[0][sent:]
                    if not waiting[0]:
                        waiting.pop(0)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                got += client.recv(5000 if slow else 65536)
                if slow:
                    time.sleep(0.0002)
                continue
            select.select([client], [client] if waiting else [], [], 1)
        return bytes(got)

    def secure(self, **how: Any) -> str:
        """Give a listen string with a certificate for C{one.test}."""
        return LISTEN.format(self.authority.issue("one.test", **how))


class TerminationTests(TLSCase):
    """TLS is ended here."""

    def test_integrity(self) -> None:
        """What goes in comes out, with chunks of mixed sizes and a slow reader."""
        balancer = self.start(backends=[self.backend()], listen=[self.secure()])
        client = self.connect_tls(balancer)
        chance = random.Random(3)
        chunks = [
            chance.randbytes(chance.choice((1, 9000, 100_000))) for _ in range(80)
        ]
        got = self.exchange(client, chunks, slow=True)
        self.assertEqual(
            hashlib.sha256(got).digest(), hashlib.sha256(b"".join(chunks)).digest()
        )

    def test_half_close(self) -> None:
        """An answer that is made after the client's close_notify is delivered."""
        balancer = self.start(backends=[self.backend(late)], listen=[self.secure()])
        context = self.authority.client()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="one.test")
        client = self.connect(balancer)

        def turn(what: Any) -> Any:
            while True:
                try:
                    return what()
                except ssl.SSLWantReadError:
                    client.sendall(outgoing.read())
                    incoming.write(client.recv(65536))

        turn(tls.do_handshake)
        tls.write(b"question")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        client.sendall(outgoing.read())
        # Python's ssl reads no more after its own end: openssl's own client does.
        answer = receive_all(client)
        self.assertGreater(len(answer), len(b"late:question"))

    def test_openssl_client(self) -> None:
        """OpenSSL's client gets its answer."""
        balancer = self.start(backends=[self.backend()], listen=[self.secure()])
        done = subprocess.run(
            ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{balancer.port}",
             "-CAfile", str(self.authority.file), "-servername", "one.test",
             "-verify_return_error", "-no_ign_eof"],
            input=b"hello\n", capture_output=True, timeout=PATIENCE,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_several_names_and_reload(self) -> None:
        """Each name gets its certificate; one that is added later, too."""
        self.authority.issue("one.test", "certs/one.pem")
        self.authority.issue("two.test", "certs/two.pem")
        listen = f"tls:{self.folder / 'certs'}:port=0:interface=127.0.0.1"
        balancer = self.start(backends=[self.backend()], listen=[listen])
        for name in ("one.test", "two.test"):
            client = self.connect_tls(balancer, name)
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
        self.assertRaises(
            ssl.SSLCertVerificationError, self.connect_tls, balancer, "three.test"
        )
        self.authority.issue("three.test", "certs/three.pem")

        def found() -> bool:
            try:
                self.connect_tls(balancer, "three.test")
            except ssl.SSLError:
                return False
            return True

        until(found, "the new certificate is used", PATIENCE)
        self.connect_tls(balancer, "one.test")

    def test_bad_changed_certificate(self) -> None:
        """A changed certificate that cannot be used is not used, and that is said."""
        path = self.authority.issue("one.test")
        balancer = self.start(backends=[self.backend()], listen=[LISTEN.format(path)])
        path.write_text("nonsense")

        def said() -> bool:
            self.connect_tls(balancer)
            return "the old ones stay" in balancer.log()

        until(said, "it says so", PATIENCE)
        self.connect_tls(balancer)

    def test_silent_handshake(self) -> None:
        """Who does not finish the handshake is cut."""
        balancer = self.start(
            "--client-timeout", "500ms", backends=[self.backend()],
            listen=[self.secure()],
        )  # fmt: skip
        self.assertTrue(ended(self.connect(balancer), PATIENCE))
        self.assertEqual(balancer.stop()["ended-client-timeout"], 1)

    def test_no_tls(self) -> None:
        """Who speaks no TLS is closed, without a traceback."""
        balancer = self.start(backends=[self.backend()], listen=[self.secure()])
        client = self.connect(balancer)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(ended(client, PATIENCE))

    def test_truncated(self) -> None:
        """A stream that ends without close_notify ends with a reset behind us."""
        came: list[bytes] = []
        seen: list[str] = []

        def behave(connection: socket.socket) -> None:
            try:
                while data := connection.recv(100):
                    came.append(data)
                seen.append("end")
            except ConnectionResetError:
                seen.append("reset")

        balancer = self.start(
            "--check", "none", backends=[self.backend(behave)], listen=[self.secure()]
        )
        client = self.connect_tls(balancer)
        client.sendall(b"half of")
        until(lambda: came, "it has come", PATIENCE)
        os.close(client.detach())
        until(lambda: seen, "the backend sees the end", PATIENCE)
        self.assertEqual(seen, ["reset"])


class RoutingTests(TLSCase):
    """TLS is not ended here: the ClientHello says where it goes."""

    def test_by_name(self) -> None:
        """Each name goes to its pool, with its TLS as it is."""
        one = self.backend(
            greet(b"one"),
            context=self.authority.server(self.authority.issue("one.test")),
        )
        two = self.backend(
            greet(b"two"),
            context=self.authority.server(self.authority.issue("www.two.test")),
        )
        balancer = self.start(
            "--check",
            "none",
            backends=[f"{one.name},sni=one.test", f"{two.name},sni=*.two.test"],
        )
        self.assertEqual(receive(self.connect_tls(balancer, "one.test"), 3), b"one")
        self.assertEqual(receive(self.connect_tls(balancer, "www.two.test"), 3), b"two")
        self.assertRaises(OSError, self.connect_tls, balancer, "else.test")

    def test_by_protocol(self) -> None:
        """A protocol goes to its pool, everything else to the default."""
        path = self.authority.issue("one.test")
        context = self.authority.server(path)
        context.set_alpn_protocols(["imap", "http/1.1"])
        mail = self.backend(greet(b"imap"), context=context)
        rest = self.backend(greet(b"rest"), context=context)
        balancer = self.start(
            "--check", "none", backends=[f"{mail.name},alpn=imap", rest]
        )
        client = self.connect_tls(balancer, alpn=("imap",))
        self.assertEqual(receive(client, 4), b"imap")
        client = self.connect_tls(balancer, alpn=("http/1.1",))
        self.assertEqual(receive(client, 4), b"rest")

    def test_no_tls(self) -> None:
        """What is no TLS goes to the default pool, with all its bytes."""
        named, rest = self.backend(), self.backend(late)
        balancer = self.start(backends=[f"{named.name},sni=one.test", rest])
        self.assertEqual(self.ask(balancer, b"GET / HTTP"), b"late:GET / HTTP")
        self.assertEqual(self.ask(balancer, b"\x16"), b"late:\x16")


class BackendTests(TLSCase):
    """TLS begins here."""

    def test_verified(self) -> None:
        """A backend whose certificate fits is spoken to by TLS, with half-close."""
        server = self.authority.server(self.authority.issue("back.test"))
        backend = self.backend(echo, context=server)
        balancer = self.start(
            "--backend-tls", "--backend-ca", str(self.authority.file),
            "--backend-name", "back.test", "--check", "tls",
            backends=[backend],
        )  # fmt: skip
        client = self.connect(balancer)
        client.sendall(b"x" * 100_000)
        self.assertEqual(len(receive(client, 100_000)), 100_000)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(client), b"")

    def test_wrong_certificate(self) -> None:
        """One with another certificate is down, and gets nothing."""
        server = self.authority.server(self.authority.issue("other.test"))
        backend = self.backend(echo, context=server)
        balancer = self.start(
            "--backend-tls", "--backend-ca", str(self.authority.file),
            "--backend-name", "back.test", "--check", "tls", "--check-interval", "10s",
            backends=[backend],
        )  # fmt: skip
        self.assertEqual(balancer.rows()[backend.name]["state"], "down")
        self.assertTrue(ended(self.connect(balancer), PATIENCE))

    def test_unchecked_wrong_certificate(self) -> None:
        """Without checks the client is closed, and the error counted."""
        server = self.authority.server(self.authority.issue("other.test"))
        backend = self.backend(echo, context=server)
        balancer = self.start(
            "--backend-tls", "--backend-ca", str(self.authority.file),
            "--backend-name", "back.test", "--check", "none", "--retries", "0",
            backends=[backend],
        )  # fmt: skip
        self.assertTrue(ended(self.connect(balancer), PATIENCE))
        self.assertEqual(balancer.rows()[backend.name]["errors"], {"tls": 1})

    def test_both_sides(self) -> None:
        """TLS on both sides carries everything, without verification if so asked."""
        server = self.authority.server(self.authority.issue("back.test"))
        backend = self.backend(echo, context=server)
        balancer = self.start(
            "--backend-tls", "--no-backend-verify", "--check", "none",
            backends=[backend], listen=[self.secure()],
        )  # fmt: skip
        client = self.connect_tls(balancer)
        data = random.Random(5).randbytes(3_000_000)
        self.assertEqual(self.exchange(client, [data]), data)


class ProxyProtocolTests(TLSCase):
    """PROXY headers, in and out."""

    def reader(self, seen: list[Any]) -> Any:
        """Give a backend that reads a header, and then echoes."""

        def behave(connection: socket.socket) -> None:
            parser = Parser()
            header = None
            while header is None:
                data = connection.recv(65536)
                if not data:
                    return
                header = parser.feed(data)
            seen.append(header)
            connection.sendall(parser.rest)
            echo(connection)

        return behave

    def test_out(self) -> None:
        """Both versions tell the client's address, before its first byte."""
        for version in ("v1", "v2"):
            seen: list[Header] = []
            balancer = self.start(
                "--check", "none", "--send-proxy", version,
                backends=[self.backend(self.reader(seen))],
            )  # fmt: skip
            client = self.connect(balancer)
            client.sendall(b"first")
            self.assertEqual(receive(client, 5), b"first")
            self.assertEqual(seen[0].source, client.getsockname())
            self.assertEqual(seen[0].destination, client.getpeername())

    def test_in_and_out(self) -> None:
        """What a trusted proxy says is believed, and passed on."""
        for encode in (encode_v1, encode_v2):
            seen: list[Header] = []
            balancer = self.start(
                "--check", "none", "--send-proxy", "v2",
                "--accept-proxy", "--trust", "127.0.0.1",
                backends=[self.backend(self.reader(seen))],
            )  # fmt: skip
            header = Header.between(("192.0.2.7", 4711), ("192.0.2.1", 80))
            client = self.connect(balancer)
            for byte in encode(header):
                client.sendall(bytes([byte]))
            client.sendall(b"first")
            self.assertEqual(receive(client, 5), b"first")
            self.assertEqual(seen[0].source, ("192.0.2.7", 4711))
            self.assertEqual(seen[0].destination, ("192.0.2.1", 80))

    def test_before_tls(self) -> None:
        """A header comes before TLS; the name that was asked for is passed on."""
        seen: list[Header] = []
        balancer = self.start(
            "--check", "none", "--send-proxy", "v2",
            "--accept-proxy", "--trust", "127.0.0.1",
            backends=[self.backend(self.reader(seen))], listen=[self.secure()],
        )  # fmt: skip
        client = self.connect(balancer)
        header = Header.between(("192.0.2.7", 4711), ("192.0.2.1", 443))
        client.sendall(encode_v2(header))
        tls = self.authority.client().wrap_socket(client, server_hostname="one.test")
        self.addCleanup(tls.close)
        tls.sendall(b"first")
        self.assertEqual(receive(tls, 5), b"first")
        self.assertEqual(seen[0].source, ("192.0.2.7", 4711))
        self.assertEqual(seen[0].authority, "one.test")
        assert seen[0].ssl is not None
        self.assertEqual(seen[0].ssl.client & 1, 1)

    def test_before_hello(self) -> None:
        """A header comes before a ClientHello that is passed on, with its name."""
        seen: list[Any] = []

        def behave(connection: socket.socket) -> None:
            parser = Parser()
            while (header := parser.feed(connection.recv(65536))) is None:
                pass
            hello = Reader().feed(parser.rest or connection.recv(65536))
            seen.append((header, hello))

        balancer = self.start(
            "--check", "none", "--send-proxy", "v2",
            "--accept-proxy", "--trust", "127.0.0.1",
            backends=[f"{self.backend(behave).name},sni=one.test"],
        )  # fmt: skip
        client = self.connect(balancer)
        header = Header.between(("192.0.2.7", 4711), ("192.0.2.1", 443))
        client.sendall(encode_v1(header))
        with contextlib.suppress(OSError):
            self.authority.client().wrap_socket(client, server_hostname="one.test")
        told, hello = seen[0]
        self.assertEqual(told.source, ("192.0.2.7", 4711))
        self.assertEqual(told.authority, "one.test")
        self.assertEqual(hello.server_name, "one.test")

    def test_refused(self) -> None:
        """What is no header ends the connection; so does silence."""
        balancer = self.start(
            "--client-timeout", "2s", "--accept-proxy", "--trust", "127.0.0.1",
            backends=[self.backend()],
        )  # fmt: skip
        client = self.connect(balancer)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(ended(client, PATIENCE))
        self.assertTrue(ended(self.connect(balancer), PATIENCE))
        counted = balancer.stop()
        self.assertEqual(counted["ended-bad-proxy-header"], 1)
        self.assertEqual(counted["ended-client-timeout"], 1)

    def test_untrusted(self) -> None:
        """A header of somebody else is only bytes."""
        balancer = self.start(
            "--accept-proxy", "--trust", "192.0.2.0/24", backends=[self.backend()]
        )
        line = b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n"
        self.assertEqual(self.ask(balancer, line), line)

    def test_limits_by_real_address(self) -> None:
        """The address that the header gives is the one that is denied."""
        balancer = self.start(
            "--accept-proxy", "--trust", "127.0.0.1", "--deny", "192.0.2.7",
            backends=[self.backend()],
        )  # fmt: skip
        for host, served in (("192.0.2.7", False), ("192.0.2.8", True)):
            client = self.connect(balancer)
            line = f"PROXY TCP4 {host} 192.0.2.1 1 2\r\nx"
            client.sendall(line.encode())
            if served:
                self.assertEqual(receive(client, 1), b"x")
            else:
                self.assertTrue(ended(client, PATIENCE))

    def test_tls_to_backend(self) -> None:
        """A header for a backend with TLS goes before TLS."""
        seen: list[Header] = []
        context = self.authority.server(self.authority.issue("back.test"))

        def behave(connection: socket.socket) -> None:
            parser = Parser()
            data = b""
            while (header := parser.feed(data)) is None:
                # Byte by byte: what follows is the TLS layer's.
                data = connection.recv(1)
            seen.append(header)
            with context.wrap_socket(connection, server_side=True) as tls:
                echo(tls)

        balancer = self.start(
            "--check", "none", "--backend-tls", "--no-backend-verify",
            "--send-proxy", "v1", backends=[self.backend(behave)],
        )  # fmt: skip
        client = self.connect(balancer)
        client.sendall(b"first")
        self.assertEqual(receive(client, 5), b"first")
        self.assertEqual(seen[0].source, client.getsockname())
