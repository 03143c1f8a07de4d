"""
Listen strings: what C{--listen} takes.

They are Twisted's server endpoint strings, with C{udp:} beside them, and files that
may be credentials of the unit (L{netsvc.daemon.credentials})::

    tcp:7007                           all IPv4 addresses
    tcp:7007:interface=127.0.0.1
    tcp:7007:interface=\\:\\:           all addresses, IPv6 and IPv4
    ssl:7443:privateKey=key.pem:certKey=cert.pem
    ssl:7443:privateKey=credential\\:key.pem:certKey=credential\\:cert.pem
    tls:/etc/letsencrypt/live:port=7443   a directory of certificates, by SNI
    unix:/run/netsvc/echo.sock
    systemd:domain=INET:name=echo      a socket of the unit, TCP or UDP
    udp:7007[:interface=ADDRESS]

This module only reads them: text in, L{Listen} out, standard library alone.
L{netsvc.daemon.listeners} binds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from netsvc.daemon.credentials import PREFIX, credential_path

#: The kinds whose first argument is a port number, and what else they take.
_NUMBERED: Final = {
    "tcp": frozenset({"port", "interface", "backlog"}),
    "tcp6": frozenset({"port", "interface", "backlog"}),
    "udp": frozenset({"port", "interface"}),
    "ssl": frozenset(
        {
            "port",
            "interface",
            "backlog",
            "privateKey",
            "certKey",
            "sslmethod",
            "extraCertChain",
            "dhParameters",
        }
    ),
}

#: How many connections the kernel may hold for a stream, unless told otherwise.
BACKLOG: Final = 4096

#: The transport that a kind of stream is, for journals, logs and counters.
_TRANSPORTS: Final = {"ssl": "tls", "tls": "tls", "unix": "unix"}

#: Parts that name files, which may be credentials.
_FILES: Final = frozenset({"privateKey", "certKey", "extraCertChain", "dhParameters"})

_TAKES_BACKLOG: Final = frozenset({"tcp", "tcp6", "ssl", "tls", "unix"})


@dataclass(frozen=True)
class Listen:
    """
    A listen string that has been read.

    @ivar text: the string itself.
    @ivar kind: what stands before the first colon.
    @ivar arguments: the parts without a name.
    @ivar named: the parts with one.
    @ivar origin: where in which file it stands, if in one: C{file:line: key}.
    """

    text: str
    kind: str = field(compare=False)
    arguments: tuple[str, ...] = field(compare=False)
    named: dict[str, str] = field(compare=False, hash=False)
    origin: str = field(default="", compare=False)

    def blame(self, service: str, problem: str) -> str:
        """Say what is wrong with it, and where it stands, or whose it is."""
        return f"{self.origin or service}: {problem}"

    def __str__(self) -> str:
        """Give the string back."""
        return self.text

    @property
    def transport(self) -> str:
        """What the kind is: C{tcp}, C{tls}, C{unix} or C{udp}."""
        if self.kind == "systemd" and self.named.get("domain") == "UNIX":
            return "unix"
        return "udp" if self.kind == "udp" else _TRANSPORTS.get(self.kind, "tcp")

    @property
    def port(self) -> int:
        """The port number; only for kinds that begin with one."""
        return int(self.named["port"] if not self.arguments else self.arguments[0])

    @property
    def place(self) -> tuple[str, ...]:
        """
        Where it listens: what has the same place can go on with the same socket,
        and could not be bound beside it.
        """
        kind, named, given = self.kind, self.named, self.arguments
        if kind == "tls":
            # The path comes first, unless it has its name.
            first = 0 if "path" in named else 1
            port = given[first] if len(given) > first else named.get("port", "443")
        elif kind in _NUMBERED:
            port = given[0] if given else named["port"]
        else:
            return (self.text,)
        if port.strip("0") == "":
            return (self.text,)  # any port: another one each time
        wildcard = "::" if kind in ("tls", "tcp6") else ""
        family = "udp" if kind == "udp" else "stream"
        return family, named.get("interface", wildcard), str(port)

    @property
    def endpoint(self) -> str:
        """The endpoint string for Twisted: with a backlog that fits a server."""
        given = "backlog" in self.named or len(self.arguments) > 2  # unix:PATH:MODE:N
        text = self._with_paths() if PREFIX[:-1] in self.text else self.text
        if self.kind in _TAKES_BACKLOG and not given:
            return f"{text}:backlog={BACKLOG}"
        return text

    def _with_paths(self) -> str:
        """Write the string with the paths of its credentials."""
        named = (f"{name}={_quote(value)}" for name, value in self.named.items())
        return ":".join([self.kind, *map(_quote, self.arguments), *named])


def _quote(value: str) -> str:
    """Write a part so that it is read as it is."""
    return re.sub(r"[\\:=]", r"\\\g<0>", value)


def show(host: str, port: int) -> str:
    """Write an address and a port as is usual: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parts(text: str) -> Iterator[tuple[str | None, str]]:
    """
    Split at colons; C{=} ends a name; a backslash takes what follows as it is.

    The same grammar as L{twisted.internet.endpoints.serverFromString}'s.

    @raise ValueError: if the last character is a backslash.
    """
    name: str | None = None
    value = ""
    characters = iter(text)
    for c in characters:
        if c == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError(f"'{text}': nothing follows the last backslash")
            value += escaped
        elif c == ":":
            yield name, value
            name, value = None, ""
        elif c == "=" and name is None:
            name, value = value, ""
        else:
            value += c
    yield name, value


def _number(text: str, what: str, highest: int) -> None:
    """Refuse what is no whole number in range."""
    if not (text.isascii() and text.isdigit() and int(text) <= highest):
        raise ValueError(f"{what} '{text}' is not a number from 0 to {highest}")


def parse_listen(text: str) -> Listen:
    """
    Read a listen string.

    @raise ValueError: if it cannot be right, with what was found and what is
        allowed. Whether its files and addresses exist is seen when it is bound.
    """
    parts = list(_parts(text))
    kind = parts[0][1] if parts[0][0] is None else ""
    if len(parts) < 2 or not kind.isidentifier():
        example = f", such as tcp:{text}" if text.isdigit() else ", such as tcp:7007"
        raise ValueError(f"'{text}' is not a listen string{example}")
    if kind != kind.lower():
        # Twisted takes some kinds in capitals, too; what depends on the kind must
        # not depend on its spelling.
        raise ValueError(f"'{text}': '{kind}' is written {kind.lower()}")
    arguments = tuple(value for name, value in parts[1:] if name is None)
    named = {
        name: str(credential_path(value))
        if name in _FILES and value.startswith(PREFIX)
        else value
        for name, value in parts[1:]
        if name is not None
    }
    listen = Listen(text, kind, arguments, named)
    allowed = _NUMBERED.get(kind)
    if allowed is not None:
        for name in named:
            if name not in allowed:
                takes = ", ".join(sorted(allowed - {"port"}))
                raise ValueError(f"'{text}': '{name}' is not one of {takes}")
        number = arguments[0] if arguments else named.get("port", "")
        _number(number, f"'{text}': port", 65535)
        if arguments and "port" in named:
            raise ValueError(f"'{text}': the port is given twice")
        if len(arguments) > 1:
            raise ValueError(
                f"'{text}': '{arguments[1]}' has no name; an IPv6 address"
                r" is written interface=\:\:1"
            )
    if "backlog" in named:
        _number(named["backlog"], f"'{text}': backlog", 2**31 - 1)
    return listen


def matched(old: Sequence[Listen], new: Sequence[Listen]) -> dict[int, int]:
    """
    Find which sockets go on when other strings are to be listened on.

    It is the same string first, then the same L{Listen.place}.

    @param old: What is bound.
    @param new: What is to be.
    @return: Places in C{old} by places in C{new}; what is not in it is to be bound, or
        to be closed.
    """
    free = list(range(len(old)))
    found: dict[int, int] = {}
    for attribute in ("text", "place"):
        for place, listen in enumerate(new):
            wanted = getattr(listen, attribute)
            for each in free if place not in found else ():
                if getattr(old[each], attribute) == wanted:
                    found[place] = each
                    free.remove(each)
                    break
    return found
