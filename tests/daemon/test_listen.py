"""Tests of L{netsvc.daemon.listen}."""

from __future__ import annotations

import os

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet import endpoints
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.listen import BACKLOG, Listen, parse_listen, show

#: What listen strings are made of, right ones and wrong ones.
PIECES = (
    *("tcp", "tcp6", "udp", "ssl", "tls", "unix", "systemd", "TCP", "mux"),
    *(":", ":", ":", "=", "\\", "port", "interface", "backlog", "privateKey", "mode"),
    *("7007", "0", "65535", "65536", "-1", "\u00b2", "127.0.0.1", "/run/x", "\n", ""),
)
pieced = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
texts = pieced | st.text(max_size=30)


def grammar(text: str) -> tuple[list[str], dict[str, str]] | None:
    """Read a string as Twisted does; give L{None} where it fails."""
    try:
        arguments, named = endpoints._parse(text)
    except RuntimeError:  # nothing after the last backslash
        return None
    return arguments, named


class ReadTests(SynchronousTestCase):
    """Tests of what L{parse_listen} gives."""

    def test_credentials(self) -> None:
        """Certificates and keys may be credentials; the string stays as it was."""
        changed = {**os.environ, "CREDENTIALS_DIRECTORY": "/run/c:d"}
        self.patch(os, "environ", changed)
        text = r"ssl:7443:privateKey=credential\:key.pem:certKey=a\=b:interface=\:\:1"
        listen = parse_listen(text)
        self.assertEqual(str(listen), text)
        self.assertEqual(listen.named["privateKey"], "/run/c:d/key.pem")
        self.assertEqual(
            grammar(listen.endpoint),
            (["ssl", "7443"], {**listen.named, "backlog": str(BACKLOG)}),
        )
        for wrong in (r"credential\:../key", r"credential\:"):
            error = self.assertRaises(
                ValueError, parse_listen, f"ssl:1:certKey={wrong}"
            )
            self.assertIn("is not credential:NAME", str(error))

    def test_parts(self) -> None:
        """A string has a kind, arguments without a name, and ones with a name."""
        listen = parse_listen("ssl:7443:privateKey=key.pem:certKey=cert.pem")
        self.assertEqual(listen.kind, "ssl")
        self.assertEqual(listen.arguments, ("7443",))
        self.assertEqual(listen.named, {"privateKey": "key.pem", "certKey": "cert.pem"})

    def test_escapes(self) -> None:
        """A backslash makes the next character a plain one."""
        listen = parse_listen(r"tcp:7007:interface=\:\:1")
        self.assertEqual(listen.named, {"interface": "::1"})
        listen = parse_listen(r"unix:/run/a\=b\\c\:d")
        self.assertEqual(listen.arguments, (r"/run/a=b\c:d",))

    def test_second_equals_sign(self) -> None:
        """Only the first equals sign of a part ends its name."""
        self.assertEqual(parse_listen("unix:/x:a=b=c").named, {"a": "b=c"})

    def test_text(self) -> None:
        """A listen is shown as the string it was read from, and is equal by it."""
        listen = parse_listen(r"tcp:7007:interface=\:\:")
        self.assertEqual(str(listen), r"tcp:7007:interface=\:\:")
        self.assertEqual(listen, parse_listen(str(listen)))
        self.assertEqual(len({listen, parse_listen(str(listen))}), 1)
        self.assertNotEqual(listen, parse_listen("tcp:7007"))

    def test_transport(self) -> None:
        """A kind is one of four transports; what is not known counts as TCP."""
        for text, transport in {
            "tcp:7007": "tcp",
            "tcp6:7007": "tcp",
            "mux:7007": "tcp",
            "systemd:domain=INET:index=0": "tcp",
            "ssl:7443": "tls",
            "tls:/etc/certificates:port=7443": "tls",
            "unix:/run/echo.sock": "unix",
            "udp:7007": "udp",
        }.items():
            self.assertEqual(parse_listen(text).transport, transport, text)

    def test_port(self) -> None:
        """The port is the first argument, or the one named so."""
        self.assertEqual(parse_listen("udp:7007:interface=127.0.0.1").port, 7007)
        self.assertEqual(parse_listen("udp:port=65535").port, 65535)
        self.assertEqual(parse_listen("tcp:0").port, 0)

    def test_backlog(self) -> None:
        """The endpoint string asks for a large backlog, unless one was given."""
        for text in ("tcp:7", "tcp6:7", "ssl:7", "tls:/x:port=7", "unix:/x"):
            self.assertEqual(parse_listen(text).endpoint, f"{text}:backlog={BACKLOG}")
            listen = parse_listen(f"{text}:backlog=7")
            self.assertEqual(listen.endpoint, f"{text}:backlog=7")
        for text in ("systemd:domain=INET:index=0", "mux:7", "unix:/x:660:50"):
            self.assertEqual(parse_listen(text).endpoint, text)

    def test_show(self) -> None:
        """An IPv6 address is written in brackets before its port."""
        self.assertEqual(show("127.0.0.1", 7), "127.0.0.1:7")
        self.assertEqual(show("::1", 7), "[::1]:7")


class RefuseTests(SynchronousTestCase):
    """Tests of what L{parse_listen} refuses."""

    def refused(self, text: str, problem: str) -> None:
        """Check that a string is refused with a text."""
        error = self.assertRaises(ValueError, parse_listen, text)
        self.assertEqual(str(error), problem)

    def test_no_listen_string(self) -> None:
        """What has no kind is refused with an example, made of the number if any."""
        self.refused("7007", "'7007' is not a listen string, such as tcp:7007")
        self.refused("8080", "'8080' is not a listen string, such as tcp:8080")
        for text in ("", "tcp", ":7007", "=:7", "127.0.0.1:7007", "t-c:7", "[::1]:7"):
            self.refused(text, f"'{text}' is not a listen string, such as tcp:7007")

    def test_capitals(self) -> None:
        """A kind in capitals is refused: as TLS it would go without its timeout."""
        self.refused("TLS:/x:port=7", "'TLS:/x:port=7': 'TLS' is written tls")
        self.refused("Udp:7", "'Udp:7': 'Udp' is written udp")

    def test_port(self) -> None:
        """A port is a number from 0 to 65535."""
        for port in ("65536", "-1", "http", "", " 7", "7.0", "\u00b2", "+7", "1_0"):
            text = f"tcp:{port}"
            self.refused(
                text, f"'{text}': port '{port}' is not a number from 0 to 65535"
            )
        text = "udp:interface=127.0.0.1"
        self.refused(text, f"'{text}': port '' is not a number from 0 to 65535")

    def test_two_ports(self) -> None:
        """A port is given once."""
        self.refused("udp:7:port=8", "'udp:7:port=8': the port is given twice")

    def test_backlog(self) -> None:
        """A backlog is a number that the system takes."""
        for text in ("tcp:7:backlog=x", "unix:/x:backlog=x"):
            self.refused(
                text, f"'{text}': backlog 'x' is not a number from 0 to 2147483647"
            )

    def test_unknown_name(self) -> None:
        """A name that the kind does not take is refused with those it takes."""
        self.refused(
            "udp:7:backlog=5", "'udp:7:backlog=5': 'backlog' is not one of interface"
        )
        self.refused(
            "tcp:7:iface=lo",
            "'tcp:7:iface=lo': 'iface' is not one of backlog, interface",
        )

    def test_unnamed_address(self) -> None:
        """An address without its name is refused; how to write it is said."""
        text = "tcp:7007:127.0.0.1"
        self.refused(
            text,
            f"'{text}': '127.0.0.1' has no name; an IPv6 address is written"
            r" interface=\:\:1",
        )

    def test_last_backslash(self) -> None:
        """A backslash with nothing after it would take the colon of what follows."""
        text = "tcp:7007\\"
        self.refused(text, f"'{text}': nothing follows the last backslash")


class AnyTextTests(SynchronousTestCase):
    """Properties of L{parse_listen} for any text."""

    @given(texts)
    @example("tcp:" + "9" * 5000)
    def test_refusal(self, text: str) -> None:
        """Any text is read or refused with C{ValueError}; nothing else is raised."""
        try:
            listen = parse_listen(text)
        except ValueError:
            return
        self.assertIsInstance(listen, Listen)
        self.assertEqual(str(listen), text)
        self.assertEqual(parse_listen(str(listen)), listen)

    @given(texts)
    def test_same_grammar_as_twisted(self, text: str) -> None:
        """What is read has the parts that Twisted sees, and what Twisted cannot
        split is refused."""
        try:
            theirs = grammar(text)
        except UnicodeEncodeError:  # a name that is none of Python's
            return
        try:
            listen = parse_listen(text)
        except ValueError:
            return
        self.assertEqual(
            ([listen.kind, *listen.arguments], listen.named), theirs, repr(text)
        )

    @given(texts)
    def test_endpoint(self, text: str) -> None:
        """The endpoint string has the same parts, and a backlog at the most."""
        try:
            listen = parse_listen(text)
        except ValueError:
            return
        try:
            arguments, named = grammar(listen.endpoint) or ([], {})
        except UnicodeEncodeError:
            return
        self.assertEqual(arguments, [listen.kind, *listen.arguments])
        if "backlog" not in listen.named:
            named.pop("backlog", None)
        self.assertEqual(named, listen.named)

    @given(
        st.sampled_from(["tcp", "udp"]),
        st.integers(0, 65535),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    )
    def test_escaped_value(self, kind: str, port: int, address: str) -> None:
        """Whatever C{quoteStringArgument} has escaped comes back as it was."""
        quoted = endpoints.quoteStringArgument(address)
        listen = parse_listen(f"{kind}:{port}:interface={quoted}")
        self.assertEqual(listen.port, port)
        self.assertEqual(listen.named, {"interface": address})
