"""Who may see the admin pages, and where they are."""

from __future__ import annotations

import base64
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.admin.access import (
    TOKEN_LIMIT,
    AdminSettings,
    Door,
    basic_password,
    bearer,
    host_is_allowed,
    read_token,
    token_fits,
)
from netsvc.daemon.admin.where import (
    SYSTEM,
    Place,
    default_listen,
    default_path,
    parse_place,
    runtime_directory,
    usual_places,
)

TOKEN = "0123456789abcdef"


class HostTests(SynchronousTestCase):
    """L{host_is_allowed}: against DNS rebinding."""

    def test_allowed(self) -> None:
        """Addresses, localhost and the names that were given are allowed."""
        for value in (
            *("127.0.0.1", "127.0.0.1:9100", "[::1]:80", "[2001:db8::1]", "10.0.0.7"),
            *("localhost", "LOCALHOST:1", "localhost.", "status.example:443"),
        ):
            self.assertTrue(host_is_allowed([value], ["Status.Example."]), value)

    def test_refused(self) -> None:
        """Other names are an attacker's, whatever they look like."""
        for value in (
            *("evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "", ":80"),
            *("[127.0.0.1]", "[::1", "::1", "127.0.0.1:80:80", "127.0.0.1x", "a b"),
            *("localhost:x", "status.example@evil.test", "0x7f.1"),
        ):
            self.assertFalse(host_is_allowed([value], ["status.example"]), value)

    def test_once(self) -> None:
        """There has to be exactly one Host."""
        self.assertFalse(host_is_allowed([], []))
        self.assertFalse(host_is_allowed(["localhost", "localhost"], []))

    @given(st.text(max_size=40))
    def test_any(self, value: str) -> None:
        """No text makes it fail."""
        self.assertIn(host_is_allowed([value], []), (True, False))


class TokenTests(SynchronousTestCase):
    """Tokens in files and in headers."""

    def write(self, data: bytes) -> Path:
        """Write a file."""
        path = Path(self.mktemp())
        path.write_bytes(data)
        return path

    def test_read(self) -> None:
        """A token is the first line of its file."""
        path = self.write(TOKEN.encode() + b"\r\nmore\n")
        self.assertEqual(read_token(path), TOKEN)

    def test_bad(self) -> None:
        """What is short, long, not ASCII or has spaces is no token."""
        for data in (
            *(b"", b"short", b"x" * TOKEN_LIMIT, b"\xff" * 20, b"a b" * 10),
            b"\x1b" * 20,
        ):
            error = self.assertRaises(ValueError, read_token, self.write(data))
            self.assertNotIn("\x1b", str(error))
        error = self.assertRaises(ValueError, read_token, Path("none"))
        self.assertEqual(str(error), "none: No such file or directory")

    def test_headers(self) -> None:
        """A token comes as Bearer, or as the password of Basic."""
        self.assertEqual(bearer(["bearer  " + TOKEN]), TOKEN)
        pair = base64.b64encode(f"any:{TOKEN}".encode()).decode()
        self.assertEqual(basic_password(["Basic " + pair]), TOKEN)
        for values in ([], ["x"], ["Basic !"], ["Basic /w=="], ["a", "b"]):
            self.assertIsNone(bearer(values))
            self.assertIsNone(basic_password(values))

    def test_fits(self) -> None:
        """Only the same token fits, and none fits where there is none."""
        self.assertTrue(token_fits(TOKEN, TOKEN))
        for token, given_ in ((TOKEN, "x"), (None, "x"), (TOKEN, None), (TOKEN, "é")):
            self.assertFalse(token_fits(token, given_))


class DoorTests(SynchronousTestCase):
    """L{Door}: what is answered on which address."""

    unix = Door(is_unix=True, is_loopback=True)
    loopback = Door(is_unix=False, is_loopback=True)
    open_door = Door(is_unix=False, is_loopback=False)
    settings = AdminSettings(token=TOKEN)

    def code(
        self,
        door: Door,
        *authorization: str,
        host: str = "10.0.0.1",
        health: bool = False,
    ) -> int:
        """Give the status of a refusal; 0 for none."""
        refusal = door.refuses(
            self.settings, [host] if host else [], authorization, is_health=health
        )
        return 0 if refusal is None else refusal.code

    def test_reading(self) -> None:
        """Reading takes a token only where others can connect, health checks never."""
        for door in (self.unix, self.loopback):
            self.assertEqual(self.code(door), 0)
        self.assertEqual(self.code(self.open_door), 401)
        self.assertEqual(self.code(self.open_door, health=True), 0)
        self.assertEqual(self.code(self.open_door, f"Bearer {TOKEN}"), 0)
        self.assertEqual(self.code(self.open_door, "Bearer wrong"), 401)

    def test_hosts(self) -> None:
        """Over TCP the name has to be known; a browser reaches no UNIX socket."""
        self.assertEqual(self.code(self.unix, host="evil.test"), 0)
        self.assertEqual(self.code(self.loopback, host="evil.test"), 421)
        self.assertEqual(self.code(self.loopback, host="evil.test", health=True), 421)
        self.assertEqual(self.code(self.loopback, host=""), 400)

    def action(
        self,
        door: Door,
        *authorization: str,
        origins: tuple[str, ...] = (),
        settings: AdminSettings | None = None,
    ) -> int:
        """Give the status of the refusal of a reload; 0 for none."""
        refusal = door.refuses_action(settings or self.settings, authorization, origins)
        return 0 if refusal is None else refusal.code

    def test_actions(self) -> None:
        """A reload takes the token as Bearer, or the UNIX socket and no browser."""
        good = f"Bearer {TOKEN}"
        none = AdminSettings()
        pair = base64.b64encode(f"any:{TOKEN}".encode()).decode()
        self.assertEqual(self.action(self.unix), 0)
        self.assertEqual(self.action(self.unix, origins=("http://evil.test",)), 401)
        self.assertEqual(self.action(self.unix, origins=("null",), settings=none), 403)
        self.assertEqual(self.action(self.loopback, settings=none), 403)
        self.assertEqual(self.action(self.loopback, good, settings=none), 403)
        for door in (self.loopback, self.open_door):
            self.assertEqual(self.action(door), 401)
            self.assertEqual(self.action(door, f"Basic {pair}"), 401)
            self.assertEqual(self.action(door, good), 0)


class PlaceTests(SynchronousTestCase):
    """L{netsvc.daemon.admin.where}."""

    def test_directories(self) -> None:
        """The socket is in the unit's directory, /run for root, the session's else."""
        for environment, uid, directory in (
            ({"RUNTIME_DIRECTORY": "/run/a:/run/b"}, 0, "/run/a"),
            ({}, 0, "/run/netsvc"),
            ({"XDG_RUNTIME_DIR": "/run/user/5"}, 5, "/run/user/5/netsvc"),
        ):
            self.assertEqual(str(runtime_directory(environment, uid)), directory)
        self.assertEqual(runtime_directory({}, 5).name, "netsvc-5")

    def test_default_listen(self) -> None:
        """The default is a listen string, whatever characters the path has."""
        self.assertEqual(default_listen().arguments, (str(default_path()),))
        listen = default_listen()
        self.assertEqual(listen.kind, "unix")

    def test_usual_places(self) -> None:
        """A command looks for the user's own daemon, then for the system's."""
        paths = [each.path for each in usual_places({"XDG_RUNTIME_DIR": "/u"}, 5)]
        self.assertEqual(paths, ["/u/netsvc/admin.sock", str(SYSTEM / "admin.sock")])
        self.assertEqual(len(list(usual_places({}, 0))), 1)

    def test_parse(self) -> None:
        """A place may be written in every way in which people write one."""
        for text, place in (
            ("unix:/run/x.sock", Place(path="/run/x.sock")),
            ("/run/x.sock", Place(path="/run/x.sock")),
            ("./x.sock", Place(path="./x.sock")),
            ("tcp:9100", Place(host="127.0.0.1", port=9100)),
            ("tcp:9100:interface=0.0.0.0", Place(host="127.0.0.1", port=9100)),
            (r"tcp:9100:interface=\:\:1", Place(host="::1", port=9100)),
            ("127.0.0.1:9100", Place(host="127.0.0.1", port=9100)),
            ("[::1]:9100", Place(host="::1", port=9100)),
            ("http://name:9100/", Place(host="name", port=9100)),
            ("http://name", Place(host="name", port=80)),
        ):
            self.assertEqual(parse_place(text), place, text)
        self.assertEqual(str(parse_place("[::1]:9100")), "[::1]:9100")
        self.assertEqual(str(parse_place("/x")), "unix:/x")

    def test_bad(self) -> None:
        """What is no place is refused in a line without control characters."""
        for text in (
            *("", "9100", "name", "https://name", "a:b", "unix:", "tcp:x", "\x1b[2J"),
            *("http://", "[::1", "name:99999", "ftp://name:1"),
        ):
            error = self.assertRaises(ValueError, parse_place, text)
            self.assertNotIn("\x1b", str(error))
