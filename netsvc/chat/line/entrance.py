"""How somebody gets in: past the bans, past the server's password, under a nick."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from netsvc.chat.events import HubError, Reason
from netsvc.chat.line import greeting
from netsvc.chat.member import Person
from netsvc.chat.text import clean

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession

#: Names of guests that are tried.
GUESTS: Final = 100

_NICK_REASONS: Final = frozenset(
    {Reason.NICK_IN_USE, Reason.NICK_RESERVED, Reason.NICK_CONFUSABLE}
)

#: What web browsers say first: they can be made to, by any page.
_HTTP: Final = re.compile(r"[A-Z]{3,10} \S+ HTTP/\d")


def begin(session: LineSession) -> None:
    """Greet somebody, and let them in, or ask for the server's password."""
    network, options = session.network, session.frontend.options
    address = session.peer.address
    hosts = [network.cloak(address)]
    if address is not None:
        hosts.append(address)
    ban = network.bans.find(options.user, hosts) if network.bans else None
    if ban is not None:
        network.counters["line-banned"] += 1
        reason = clean(ban.reason).strip()
        session.close(f"you are banned from this server{reason and ': '}{reason}")
    elif network.password is not None:
        session.frontend.outside[session] = None
        session.note("this server has a password: type it, and nothing else")
    else:
        _enter(session)


def _enter(session: LineSession) -> None:
    """Make somebody a guest, and take them into the lobby."""
    network, options, peer = session.network, session.frontend.options, session.peer
    person = Person(
        user=options.user,
        host=network.cloak(peer.address),
        address=peer.address or "",
        secure=peer.secure,
        frontend=options.frontend,
    )
    for _ in range(GUESTS):
        try:
            session.member = session.hub.enter(session, network.guest(), person)
        except HubError as error:
            if error.reason not in _NICK_REASONS:
                break
        else:
            greeting.greet(session)
            return
    network.counters["line-full"] += 1
    session.close("there is no room for more people")


def is_foreign(text: str) -> bool:
    """Say whether a first line is none that a person, or a chat program, sends."""
    return _HTTP.match(text) is not None


def try_password(session: LineSession, password: str) -> None:
    """Take the server's password, or what is meant to be it."""
    frontend, counters = session.frontend, session.network.counters
    fits = frontend.password_fits(password, session.peer.address)
    if fits:
        frontend.outside.pop(session, None)
        _enter(session)
        return
    session.tries += 1
    if fits is None:
        counters["line-password-throttled"] += 1
        session.close("that was tried too often: try again later")
        return
    counters["line-password-wrong"] += 1
    if session.tries >= frontend.options.password_tries:
        session.close("that is not the password of this server")
    else:
        session.reply("! that is not the password of this server: try again")
