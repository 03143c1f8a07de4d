"""
An IRC session: who the client is, and what it asks.

Commands (L{netsvc.chat.irc.commands}) are functions of a session; they answer by the
methods of L{netsvc.chat.irc.connection}: C{numeric}, C{line}, C{fail} and their like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.events import HubError
from netsvc.chat.irc import isupport, numerics
from netsvc.chat.irc.caps import Negotiation
from netsvc.chat.irc.commands import COMMANDS
from netsvc.chat.irc.connection import IrcConnection
from netsvc.chat.irc.frontend import IrcFrontend
from netsvc.chat.irc.intake import Intake
from netsvc.chat.irc.link import Link, Peer, Work
from netsvc.chat.irc.message import (
    InvalidUtf8Error,
    Message,
    MessageError,
    build,
    label_of,
    parse,
    parse_tags,
)

if TYPE_CHECKING:
    from netsvc.chat.accounts.sasl import Exchange
    from netsvc.chat.member import Member

#: How web browsers begin, which any page can make send lines of IRC behind that.
_HTTP: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
)


class IrcSession(IrcConnection):
    """
    An IRC connection, and who is behind it.

    @ivar negotiation: How its capabilities come about.
    @ivar wanted: The nick that it asked for last, whether it may have it or not.
    @ivar user: The user name; empty before.
    @ivar realname: The real name.
    @ivar password: The server's password, as it was given.
    @ivar account: The account that it logged in to before it was registered.
    @ivar away: The away text from before it was registered.
    @ivar exchange: Its tries to log in, once there is one.
    @ivar markers: Read markers of who has no account, by folded target.
    """

    __slots__ = (
        "_heard",
        "_pinged",
        "_quiet_since",
        "_verb",
        "account",
        "away",
        "exchange",
        "intake",
        "markers",
        "negotiation",
        "password",
        "realname",
        "since",
        "user",
        "wanted",
    )

    def __init__(self, frontend: IrcFrontend, link: Link, peer: Peer) -> None:
        """
        Somebody has connected.

        @param frontend: What it shares with the others.
        @param link: The connection.
        @param peer: Who.
        """
        super().__init__(frontend, link, peer)
        self.negotiation = Negotiation(frontend.network.name, frontend.offer(peer))
        self.wanted = self.user = self.realname = ""
        self.password: str | None = None
        self.account: str | None = None
        self.away: str | None = None
        self.exchange: Exchange | None = None
        self.markers: dict[str, int] | None = None
        self._verb = "*"
        self._heard = self._pinged = False
        self.since = self._quiet_since = frontend.network.seconds()
        self.intake = Intake(self)
        frontend.sessions[self] = None
        frontend.unregistered[self] = None

    # What it is.

    @property
    def me(self) -> Member:
        """Who it is in the hub; for commands that come after the registration."""
        assert self.member is not None, "the registration is not complete"
        return self.member

    @property
    def account_name(self) -> str | None:
        """The account that it is logged in to."""
        return self.account if self.member is None else self.member.account

    # Becoming what it is.

    def registered(self, member: Member) -> None:
        """The registration is complete."""
        self.member = member
        self.password = None
        self.frontend.unregistered.pop(self, None)

    def logged_in(self, account: str) -> None:
        """It is logged in to an account from now on, unless it has gone meanwhile."""
        if self.closing:
            return
        if self.member is None:
            self.account = account
            mask = f"{self.client}!{self.user or '*'}@{self.shown_host}"
        else:
            self.hub.set_account(self.member, account)
            mask = self.member.source.mask
        text = f"You are now logged in as {account}"
        self.numeric(numerics.RPL_LOGGEDIN, mask, account, text=text)

    @property
    def shown_host(self) -> str:
        """The host that others see."""
        return self.frontend.network.cloak(self.peer.address)

    def caps_changed(self) -> None:
        """Other capabilities are in effect."""
        self.caps = self.negotiation.effective
        # What it has caused and is on its way finds it by its old wire.
        self.hub.courier.after(self, self.rewire)

    def offer_changed(self, tokens: list[str]) -> None:
        """
        Other things are there than before: tell the client.

        @param tokens: What has changed of 005.
        """
        offer = self.frontend.offer(self.peer)
        for line in self.negotiation.change(self.client, offer):
            self.push(line)
        self.caps_changed()
        if self.member is not None and tokens:
            name = self.frontend.network.name
            for line in isupport.lines(name, self.client, tokens):
                self.push(line)

    def tick(self, now: float) -> None:
        """
        Look whether its time is up.

        @param now: The time in seconds.
        """
        config = self.frontend.config
        if self.member is None:
            if now - self.since >= config.registration_timeout:
                self.network.counters["irc-registration-timeout"] += 1
                self.close("Registration timed out")
        elif self._heard or self.intake.waiting:
            self._heard = self._pinged = False
            self._quiet_since = now
        elif config.ping_interval:
            quiet = now - self._quiet_since
            if self._pinged and quiet >= config.ping_timeout:
                self.network.counters["irc-ping-timeout"] += 1
                self.close(f"Ping timeout: {quiet:.0f} seconds")
            elif quiet >= config.ping_interval and not self._pinged:
                self._pinged = True
                # However late it is asked, it has its time to answer.
                self._quiet_since = now - config.ping_interval
                self.push(build("PING", trailing=self.frontend.network.name))

    def _leave(self, reason: str) -> None:
        """Read nothing more, and leave the hub."""
        self.intake.stop()
        self.frontend.sessions.pop(self, None)
        self.frontend.unregistered.pop(self, None)
        super()._leave(reason)

    def end_of_input(self) -> None:
        """The client has sent all that it will, and all is done."""
        self.close("Connection closed")

    # Being asked.

    def receive(self, data: bytes) -> None:
        """Take what was read."""
        self._heard = True
        if not self.closing:
            self.intake.feed(data)

    def line_received(self, line: bytes) -> Work | None:
        """
        Carry out one line.

        @return: What is left to do, for a command that must wait;
            L{command_done} is then to be called.
        """
        try:
            message = parse(line)
        except MessageError as error:
            self._refuse_line(line, error)
            return None
        if message is None:
            return None
        label = label_of(message) if message.tags else None
        if label is not None and "labeled-response" in self.caps:
            self.begin_answer(label)
        self._verb = message.verb
        try:
            work = self._dispatch(message)
        except Exception as error:
            self.command_done(error)
        else:
            if work is not None:
                return work
            self.command_done(None)
        return None

    def _dispatch(self, message: Message) -> Work | None:
        """Call the command."""
        verb = message.verb
        command = COMMANDS.get(verb)
        if self.member is None and (command is None or not command.early):
            if verb in _HTTP:
                self.network.counters["irc-no-irc"] += 1
                self.close("This is a chat, and no web server")
            else:
                self.numeric(numerics.ERR_NOTREGISTERED)
        elif command is None:
            self.numeric(numerics.ERR_UNKNOWNCOMMAND, verb)
        else:
            self.frontend.used[verb] += 1
            if len(message.params) >= command.least:
                return command.call(self, message)
            self.need_more(verb)
        return None

    def command_done(self, error: Exception | None) -> None:
        """
        A command is done.

        @param error: What went wrong.
        """
        if isinstance(error, HubError):
            self.refuse(error, self._verb)
        elif isinstance(error, TimeoutError):
            self.network.counters["irc-command-timeout"] += 1
            text = "That took too long; try again later"
            self.numeric(numerics.ERR_UNKNOWNERROR, self._verb, text=text)
        elif error is not None:
            self.link.failed(error)
            self.numeric(numerics.ERR_UNKNOWNERROR, self._verb)
        self.end_answer()

    def _refuse_line(self, line: bytes, error: MessageError) -> None:
        """Answer a line that cannot be read."""
        label = None
        if line[:1] == b"@":
            tags = line[1 : line.find(b" ")].decode("utf-8", "replace")
            label = label_of(Message("", [], parse_tags(tags)))
        if label is not None and "labeled-response" in self.caps:
            self.begin_answer(label)
        if isinstance(error, InvalidUtf8Error):
            text = "Your message is not UTF-8, and was not delivered"
            self.fail(error.verb, "INVALID_UTF8", text=text)
        else:
            self.numeric(numerics.ERR_INPUTTOOLONG)
        self.command_done(None)
