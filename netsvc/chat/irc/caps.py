"""
IRCv3 capabilities: which there are, and their negotiation.

The rules are those of the IRCv3 specification "Capability Negotiation", version 302.
A L{Negotiation} belongs to one connection. It answers CAP, and says which
capabilities are in effect; what they do is written where it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from netsvc.chat.irc.message import BODY_LIMIT, build
from netsvc.chat.irc.numerics import ERR_INVALIDCAPCMD, ERR_NEEDMOREPARAMS, reply

VALUES_VERSION: Final = 302
"""From this version on a client reads values, lists of several lines, NEW and DEL."""


@dataclass(frozen=True, slots=True)
class Offer:
    """
    What there is for one connection.

    @ivar tls: Whether the connection is over TLS.
    @ivar accounts: Whether there are accounts.
    @ivar plain: Whether passwords may be sent without TLS.
    @ivar history: Whether clients can ask for history.
    @ivar registration: The tokens of C{draft/account-registration}, as
        C{before-connect}; C{None} when nobody may register.
    @ivar sts_port: For connections without TLS: the port that has it.
    @ivar sts_duration: For connections over TLS, to a name that the operator listed:
        for how many seconds clients shall insist on TLS; 0 ends it.
    @ivar sts_preload: Whether browsers of network lists may note that for ever.
    @ivar redaction: Whether messages can be taken back.
    @ivar multiline: The most bytes and lines of one multiline message, or C{None}.
    """

    tls: bool = False
    accounts: bool = False
    plain: bool = True
    history: bool = False
    registration: tuple[str, ...] | None = None
    sts_port: int | None = None
    sts_duration: int | None = None
    sts_preload: bool = False
    redaction: bool = False
    multiline: tuple[int, int] | None = None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that can work here, best known first."""
        if not self.accounts:
            return ()
        found = ["PLAIN"] if self.tls or self.plain else []
        found.append("SCRAM-SHA-256")
        if self.tls:
            found.append("EXTERNAL")
        return tuple(found)


def _always(offer: Offer) -> str | None:
    """No value, always there."""
    return ""


def _sasl(offer: Offer) -> str | None:
    """The mechanisms."""
    return ",".join(offer.mechanisms) or None


def _sts(offer: Offer) -> str | None:
    """The port without TLS, the duration with it."""
    if not offer.tls:
        return None if offer.sts_port is None else f"port={offer.sts_port}"
    if offer.sts_duration is None:
        return None
    return f"duration={offer.sts_duration}" + ",preload" * offer.sts_preload


def _history(offer: Offer) -> str | None:
    """Where history can be asked for."""
    return "" if offer.history else None


def _accounts(offer: Offer) -> str | None:
    """Where there are accounts."""
    return "" if offer.accounts else None


def _registration(offer: Offer) -> str | None:
    """How accounts are registered."""
    if offer.registration is None or not offer.accounts:
        return None
    return ",".join(offer.registration)


def _redaction(offer: Offer) -> str | None:
    """Where messages can be taken back."""
    return "" if offer.redaction else None


def _multiline(offer: Offer) -> str | None:
    """The limits of a multiline message."""
    if offer.multiline is None:
        return None
    return "max-bytes={},max-lines={}".format(*offer.multiline)


@dataclass(frozen=True, slots=True)
class Capability:
    """
    A capability.

    @ivar name: Its name; case counts.
    @ivar value: Gives its value for an offer; C{""} when it has none, C{None} when it
        is not there.
    @ivar needs: Others without which it does nothing.
    @ivar informs: Whether it is only read in the list, never enabled.
    @ivar stands_for: The capability that it is another name of.
    """

    name: str
    value: Callable[[Offer], str | None] = _always
    needs: frozenset[str] = frozenset()
    informs: bool = False
    stands_for: str | None = None


#: All capabilities, those first that a client without 302 shall see in its one line.
CAPABILITIES: Final = {
    each.name: each
    for each in (
        Capability("multi-prefix"),
        Capability("sasl", _sasl),
        Capability("message-tags"),
        Capability("server-time"),
        Capability("echo-message"),
        Capability("batch"),
        Capability("labeled-response", needs=frozenset({"batch"})),
        Capability("cap-notify"),
        Capability("account-tag"),
        Capability("account-notify"),
        Capability("extended-join"),
        Capability("away-notify"),
        Capability("userhost-in-names"),
        Capability("chghost"),
        Capability("setname"),
        Capability("invite-notify"),
        Capability("extended-monitor"),
        Capability("standard-replies"),
        Capability("no-implicit-names"),
        Capability("draft/chathistory", _history),
        Capability("draft/event-playback", _history),
        Capability("draft/read-marker", _accounts),
        Capability("draft/account-registration", _registration),
        Capability("draft/pre-away"),
        Capability("draft/extended-isupport"),
        Capability("draft/no-implicit-names", stands_for="no-implicit-names"),
        Capability(
            "draft/message-redaction", _redaction, needs=frozenset({"message-tags"})
        ),
        Capability(
            "draft/multiline", _multiline, needs=frozenset({"batch", "message-tags"})
        ),
        Capability("sts", _sts, informs=True),
    )
}

_OLD_CLIENTS_SKIP: Final = frozenset({"sts", "draft/multiline"})


# Most connections are alike in this: they share what they are told.
@lru_cache(maxsize=64)
def offered(offer: Offer) -> Mapping[str, str]:
    """Give the capabilities that are there, with their values (C{""}: none)."""
    found = {name: each.value(offer) for name, each in CAPABILITIES.items()}
    return {name: value for name, value in found.items() if value is not None}


@lru_cache(maxsize=256)
def _effects(names: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Give enabled capabilities, and those of them that are in effect, under their
    final names."""
    return names, frozenset(
        CAPABILITIES[name].stands_for or name
        for name in names
        if CAPABILITIES[name].needs <= names
    )


class Negotiation:
    """
    The capabilities of one connection.

    @ivar enabled: What the client enabled.
    @ivar effective: What of that is in effect: all whose needs are enabled too, under
        their final names.
    @ivar version: The highest version that the client said; 0 before.
    @ivar open: Whether the registration waits for C{CAP END}.
    """

    __slots__ = ("_offered", "_server", "effective", "enabled", "open", "version")

    def __init__(self, server: str, offer: Offer) -> None:
        """
        Begin with nothing enabled.

        @param server: The server's name.
        @param offer: What there is for this connection.
        """
        self.enabled: frozenset[str] = frozenset()
        self.effective: frozenset[str] = frozenset()
        self.version = 0
        self.open = False
        self._server = server
        self._offered = offered(offer)

    def command(
        self, client: str, params: Sequence[str], *, registered: bool
    ) -> list[bytes]:
        """
        Answer a CAP of the client.

        @param client: Its nick; empty or C{*} before it has one.
        @param params: The parameters of the command.
        @param registered: Whether its registration is complete.
        @return: The lines of the answer; perhaps none.
        """
        client = client or "*"
        if not params:
            return [reply(self._server, ERR_NEEDMOREPARAMS, client, "CAP")]
        match params[0].upper():
            case "LS":
                self.open = self.open or not registered
                return self._ls(client, params[1] if len(params) > 1 else "")
            case "LIST":
                several = self.version >= VALUES_VERSION
                names = [name for name in CAPABILITIES if name in self.enabled]
                return self._list(client, "LIST", names, several)
            case "REQ":
                self.open = self.open or not registered
                return self._request(client, " ".join(params[1:]))
            case "END":
                self.open = False
                return []
        return [reply(self._server, ERR_INVALIDCAPCMD, client, params[0])]

    def change(self, client: str, offer: Offer) -> list[bytes]:
        """
        Take another offer: what is gone is no longer in effect.

        @param client: The client's nick; empty or C{*} before it has one.
        @param offer: What there is now.
        @return: NEW and DEL, for a client that reads them. C{sts} is never deleted.
        """
        before, self._offered = self._offered, offered(offer)
        gone = [name for name in before if name not in self._offered]
        new = [
            self._item(name, self.version)
            for name, value in self._offered.items()
            if before.get(name) != value and not self._hidden(name, self.version)
        ]
        notify = "cap-notify" in self.enabled
        self._enable(self.enabled.difference(gone))
        if not notify:
            return []
        lines = []
        gone = [name for name in gone if not CAPABILITIES[name].informs]
        for verb, items in (("DEL", gone), ("NEW", new)):
            lines += self._plain(client or "*", verb, items)
        return lines

    def _ls(self, client: str, number: str) -> list[bytes]:
        """The list of what there is."""
        asked = int(number) if number.isascii() and number.isdigit() else 0
        self.version = max(self.version, asked)
        if asked >= VALUES_VERSION:
            self._enable(self.enabled | {"cap-notify"})
        items = [
            self._item(name, asked)
            for name in self._offered
            if not self._hidden(name, asked)
        ]
        return self._list(client, "LS", items, asked >= VALUES_VERSION)

    def _request(self, client: str, wanted: str) -> list[bytes]:
        """All of a request, or nothing of it."""
        enabled = set(self.enabled)
        names = [name for name in wanted.split(" ") if name]
        for name in names:
            removing = name[0] == "-"
            name = name.removeprefix("-")
            if name not in self._offered or CAPABILITIES[name].informs:
                return self._plain(client, "NAK", names, wanted)
            if not removing:
                enabled.add(name)
            elif name == "cap-notify" and self.version >= VALUES_VERSION:
                return self._plain(client, "NAK", names, wanted)
            else:
                enabled.discard(name)
        self._enable(frozenset(enabled))
        return self._plain(client, "ACK", names, wanted)

    def _enable(self, names: frozenset[str]) -> None:
        """Have these enabled, and work out which are in effect."""
        self.enabled, self.effective = _effects(names)

    def _hidden(self, name: str, version: int) -> bool:
        """Is this of no use to a client of that version, which sees no values?"""
        return version < VALUES_VERSION and name in _OLD_CLIENTS_SKIP

    def _item(self, name: str, version: int) -> str:
        """A capability as a list for that version shows it."""
        value = self._offered[name]
        return f"{name}={value}" if value and version >= VALUES_VERSION else name

    def _list(
        self, client: str, verb: str, items: Iterable[str], several: bool
    ) -> list[bytes]:
        """A list, in several lines or in one, which then ends where the line does."""
        texts = self._pack(client, f"{verb} *", items)
        if not several:
            del texts[1:]
        *most, last = texts
        lines = [self._line(client, verb, "*", text) for text in most]
        return [*lines, self._line(client, verb, last)]

    def _plain(
        self, client: str, verb: str, items: Sequence[str], text: str | None = None
    ) -> list[bytes]:
        """
        Lines without a mark of continuation: one, if they fit into it.

        @param text: The items, as they were sent.
        """
        texts = self._pack(client, verb, items)
        if text is not None and len(texts) == 1:
            return [self._line(client, verb, text)]
        return [self._line(client, verb, text) for text in texts if text]

    def _line(self, client: str, *params: str) -> bytes:
        """A line of CAP whose last parameter is a list."""
        *params_, last = params
        return build("CAP", client, *params_, source=self._server, trailing=last)

    def _pack(self, client: str, verb: str, items: Iterable[str]) -> list[str]:
        """Put items, with spaces between them, into as few lines as will hold them."""
        room = BODY_LIMIT - len(self._line(client, *verb.split(), ""))
        texts = [""]
        for item in items:
            longer = f"{texts[-1]} {item}" if texts[-1] else item
            if len(longer.encode()) <= room or not texts[-1]:
                texts[-1] = longer
            else:
                texts.append(item)
        return texts
