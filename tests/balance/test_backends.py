"""Tests of L{netsvc.balance.backends}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backends import (
    MAX_BACKENDS,
    MAX_WEIGHT,
    BackendKind,
    SrvRecord,
    by_route,
    check_backends,
    parse_backend,
    scale_srv,
)
from netsvc.daemon.targets import is_address

#: What backend strings are made of, right ones and wrong ones.
PIECES = (
    *("10.0.0.1", "[::1]", "::1", "web", ".", "_http._tcp", "srv:", "%eth0", "é"),
    *(":", ":80", ",", ",", "=", "weight", "max", "backup", "name", "tls", "tls-name"),
    *(
        "send-proxy",
        "v1",
        "sni",
        "*.",
        "alpn",
        "0",
        "1",
        "99999",
        "\n",
        "\x1b",
        " ",
        "",
    ),
)
texts = st.lists(st.sampled_from(PIECES), max_size=10).map("".join) | st.text(
    max_size=30
)
options = st.sampled_from(
    [
        "weight=0",
        "max=9",
        "backup",
        "name=a",
        "send-proxy=v1",
        "tls",
        "sni=*.a",
        "alpn=h2",
    ]
)
right = st.builds(
    lambda place, chosen: ",".join([place, *chosen]),
    st.sampled_from(["10.0.0.1:80", "[::1]:1", "[fe80::1%e]:9", "Web.:80", "srv:_a.b"]),
    st.lists(options, unique=True),
)
records = st.lists(
    st.builds(
        SrvRecord,
        st.sampled_from(["a", "b", "c"]),
        st.just(80),
        st.integers(0, 3),
        st.integers(0, 65535),
    ),
    max_size=6,
)


class PlaceTests(SynchronousTestCase):
    """Tests of what stands before the options."""

    def test_ipv4(self) -> None:
        """An IPv4 address and a port are a backend as they stand."""
        spec = parse_backend("10.0.0.1:80")
        self.assertEqual(spec.kind, BackendKind.ADDRESS)
        self.assertEqual((spec.host, spec.port), ("10.0.0.1", 80))
        self.assertEqual(spec.name, "10.0.0.1:80")
        self.assertEqual((spec.weight, spec.max_connections), (1, 0))
        self.assertFalse(spec.backup or spec.tls or spec.send_proxy)

    def test_ipv6(self) -> None:
        """An IPv6 address is written in brackets; it may have a scope."""
        spec = parse_backend("[2001:db8::1]:80")
        self.assertEqual(spec.kind, BackendKind.ADDRESS)
        self.assertEqual((spec.host, spec.port), ("2001:db8::1", 80))
        self.assertEqual(spec.name, "[2001:db8::1]:80")
        self.assertEqual(parse_backend("[fe80::1%eth0]:80").host, "fe80::1%eth0")

    def test_name(self) -> None:
        """A name is kept in lower case, without the root's dot."""
        spec = parse_backend("Web.Example.org.:80")
        self.assertEqual(spec.kind, BackendKind.NAME)
        self.assertEqual((spec.host, spec.port), ("web.example.org", 80))
        self.assertEqual(parse_backend("localhost:80").host, "localhost")

    def test_srv(self) -> None:
        """An SRV name has no port: its records do."""
        spec = parse_backend("srv:_http._tcp.example.org,weight=2")
        self.assertEqual(spec.kind, BackendKind.SRV)
        self.assertEqual((spec.host, spec.port), ("_http._tcp.example.org", 0))
        self.assertEqual(spec.name, "srv:_http._tcp.example.org")
        self.assertEqual(spec.weight, 2)

    def refused(self, text: str, message: str) -> None:
        with self.assertRaises(ValueError) as caught:
            parse_backend(text)
        self.assertEqual(str(caught.exception), f"{text!r}: {message}")

    def test_no_port(self) -> None:
        """A backend without a host or a port is refused."""
        for text in ("", "web", ":80"):
            self.refused(text, "a backend is HOST:PORT, such as 10.0.0.1:80")

    def test_bad_port(self) -> None:
        """A port that is no number in range is refused."""
        for port in ("", "0", "65536", "http", "-1", "8" * 20, "\u00b2"):
            self.refused(
                f"web:{port}", f"the port is {port!r}, not a number from 1 to 65535"
            )

    def test_brackets(self) -> None:
        """An IPv6 address without brackets is refused, and so is what is none."""
        self.refused(
            "::1:80", "an IPv6 address is written in brackets, such as [::1]:80"
        )
        for host in ("10.0.0.1", "web", "", "::1%", "::g", "::1%\x1b", "1::2::3"):
            self.refused(f"[{host}]:80", f"{host!r} is not an IPv6 address")

    def test_bad_literal(self) -> None:
        """What looks like an IPv4 address and is none is not taken for a name."""
        for host in ("10.0.0.300", "10.0.0", "1", "10.0.0.01", "a.b.5", "0x7f"):
            self.refused(f"{host}:80", f"{host!r} is not an IPv4 address")

    def test_bad_name(self) -> None:
        """What is no host name is refused."""
        for host in ("a b", "-a", "a-", "a..b", ".", "\u00e9", "a/b", "*.a"):
            self.refused(
                f"{host}:80", f"{host!r} is neither an address nor a host name"
            )
        self.refused("srv:", "'' is neither an address nor a host name")
        for host in ("a" * 64, ".".join(["a" * 60] * 5)):
            with self.assertRaises(ValueError) as caught:
                parse_backend(f"{host}:80")
            self.assertLess(len(str(caught.exception)), 200)

    @given(right)
    def test_right(self, text: str) -> None:
        """A backend is shown as the text it was read from, and equal by it."""
        spec = parse_backend(text)
        self.assertEqual(str(spec), text)
        self.assertEqual(parse_backend(text), spec)
        self.assertNotEqual(parse_backend("10.0.0.9:80"), spec)

    @given(texts | right)
    def test_any_text(self, text: str) -> None:
        """Any text is a backend with a name fit to show, or an error of one line."""
        try:
            spec = parse_backend(text)
        except ValueError as error:
            self.assertTrue(str(error).isprintable())
        else:
            self.assertTrue(spec.name.isprintable())
            self.assertEqual(is_address(spec.host), spec.kind is BackendKind.ADDRESS)


class OptionTests(SynchronousTestCase):
    """Tests of the options of a backend."""

    def test_all(self) -> None:
        """Each option sets its attribute."""
        spec = parse_backend(
            "10.0.0.1:443,weight=3,max=100,backup,name=web-1,send-proxy=v2,tls,"
            "tls-name=WWW.example.org,tls-verify=no,check-port=8080,"
            "sni=*.Example.org,alpn=h2"
        )
        self.assertEqual(spec.weight, 3)
        self.assertEqual(spec.max_connections, 100)
        self.assertIs(spec.backup, True)
        self.assertEqual(spec.name, "web-1")
        self.assertEqual(spec.send_proxy, 2)
        self.assertIs(spec.tls, True)
        self.assertEqual(spec.tls_name, "www.example.org")
        self.assertIs(spec.tls_verify, False)
        self.assertEqual(spec.check_port, 8080)
        self.assertEqual(spec.route, ("*.example.org", "h2"))

    def test_server_name(self) -> None:
        """The name to verify is the host unless it is given."""
        self.assertEqual(parse_backend("web:443,tls").server_name, "web")
        spec = parse_backend("10.0.0.1:443,tls,tls-name=web")
        self.assertEqual(spec.server_name, "web")
        # Of SRV records it is the domain, which nobody can forge (RFC 9525).
        spec = parse_backend("srv:_https._tcp.a.test,tls")
        self.assertEqual(spec.server_name, "a.test")
        self.assertEqual(parse_backend("srv:_a,tls").server_name, "_a")

    def test_bounds(self) -> None:
        """A weight is within 0 and 256; a limit of 0 means none."""
        self.assertEqual(parse_backend("a:1,weight=0").weight, 0)
        self.assertEqual(parse_backend("a:1,weight=256").weight, MAX_WEIGHT)
        self.assertEqual(parse_backend("a:1,max=0").max_connections, 0)
        self.assertEqual(parse_backend("a:1,send-proxy=v1").send_proxy, 1)
        self.assertEqual(parse_backend("a:1,tls,tls-verify=yes").tls_verify, True)

    def test_wrong(self) -> None:
        """A wrong option is refused, with what was found and what is allowed."""
        for option, message in {
            "weight=257": "weight is '257', not a number from 0 to 256",
            "weight=-1": "weight is '-1', not a number from 0 to 256",
            "weight=x": "weight is 'x', not a number from 0 to 256",
            "weight": "weight takes a value",
            "max=9999999": "max is '9999999', not a number from 0 to 1000000",
            "backup=yes": "backup takes no value",
            "backup,backup": "backup is given twice",
            "name=a,name=b": "name is given twice",
            "name=a b": "name is 'a b', not letters, digits, dots, hyphens and"
            " underscores, at most 64",
            "send-proxy=v3": "send-proxy is 'v3', not v1 or v2",
            "tls,tls-verify=maybe": "tls-verify is 'maybe', not yes or no",
            "tls-name=web": "tls-name and tls-verify are of use with tls only",
            "sni=*": "'*' is neither an address nor a host name",
            "alpn=": "alpn is '', not the name of a protocol, such as h2",
            "check-port=0": "check-port is '0', not a number from 1 to 65535",
            "": "'' is not an option; there are weight, max, backup, name, send-proxy,"
            " tls, tls-name, tls-verify, check-port, sni, alpn",
        }.items():
            text = f"10.0.0.1:80,{option}"
            with self.assertRaises(ValueError) as caught:
                parse_backend(text)
            self.assertEqual(str(caught.exception), f"{text!r}: {message}")


class TogetherTests(SynchronousTestCase):
    """Tests of what is asked of all backends together."""

    def refused(self, *texts: str) -> str:
        with self.assertRaises(ValueError) as caught:
            check_backends([parse_backend(text) for text in texts])
        return str(caught.exception)

    def test_good(self) -> None:
        """Different backends stand together, those of one name's ports too."""
        check_backends(
            [
                parse_backend(text)
                for text in ("10.0.0.1:80", "10.0.0.1:81", "[::1]:80", "web:80")
            ]
        )

    def test_none(self) -> None:
        """There has to be a backend."""
        self.assertEqual(
            self.refused(), "there is no backend; give one, such as 10.0.0.1:80"
        )

    def test_duplicate(self) -> None:
        """An address that is given twice is refused, however it is written."""
        self.assertEqual(
            self.refused("[::1]:80", "[0:0::1]:80,name=b"),
            "'[0:0::1]:80,name=b' and '[::1]:80' are the same backend",
        )
        self.refused("web:80", "WEB:80,name=b")
        self.refused("srv:_a._tcp.b", "srv:_a._tcp.b,name=c")

    def test_names(self) -> None:
        """Two backends of one name are refused."""
        self.assertEqual(
            self.refused("10.0.0.1:80,name=a", "10.0.0.2:80,name=a"),
            "two backends have the name 'a'; give one name=NAME",
        )

    def test_routes(self) -> None:
        """One address may serve two sorts of clients, under two names."""
        texts = ["10.0.0.1:80", "10.0.0.1:80,sni=a.b,name=x", "10.0.0.2:80,sni=a.b"]
        specs = [parse_backend(text) for text in texts]
        check_backends(specs)
        self.assertEqual(by_route(specs), {("", ""): specs[:1], ("a.b", ""): specs[1:]})
        self.refused("10.0.0.1:80,alpn=h2", "10.0.0.1:80,alpn=h2,name=x")

    def test_too_many(self) -> None:
        """There is a greatest number of backends."""
        texts = [f"10.0.0.1:{port}" for port in range(1, MAX_BACKENDS + 2)]
        self.assertEqual(
            self.refused(*texts), "there are 1025 backends, at most 1024 are allowed"
        )
        check_backends([parse_backend(text) for text in texts[1:]])


class SrvTests(SynchronousTestCase):
    """Tests of L{scale_srv}."""

    def test_priorities(self) -> None:
        """The lowest priority is used first, all others are backups."""
        scaled = scale_srv(
            [SrvRecord(*fields) for fields in [("a", 1, 10, 5), ("b", 1, 20, 7)]]
        )
        self.assertEqual(
            [(record.target, weight, backup) for record, weight, backup in scaled],
            [("a", 5, False), ("b", 7, True)],
        )

    def test_none(self) -> None:
        """No record gives no backend."""
        self.assertEqual(scale_srv([]), [])

    def test_large(self) -> None:
        """Large weights are scaled so that the largest is ours."""
        scaled = scale_srv(
            [SrvRecord("a", 1, 0, weight) for weight in (65535, 32768, 1, 0)]
        )
        self.assertEqual([weight for _, weight, _ in scaled], [256, 128, 1, 1])

    @given(records)
    def test_weights(self, given: list[SrvRecord]) -> None:
        """Weights are in range and keep their order; a primary is left."""
        scaled = scale_srv(given)
        self.assertEqual([record for record, _, _ in scaled], given)
        self.assertEqual(
            bool(given), any(not backup for _, _, backup in scaled), scaled
        )
        for record, weight, backup in scaled:
            self.assertTrue(1 <= weight <= MAX_WEIGHT)
            for other, of_other, is_backup in scaled:
                if backup == is_backup and record.weight <= other.weight:
                    self.assertLessEqual(weight, of_other)
