"""What only people who send datagrams may type: /token, /resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.line.commands import Command
from netsvc.chat.line.refusals import Mistake
from netsvc.relay.text_peer import TextPeer

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession
    from netsvc.relay.relay import Relay


def commands_of(relay: Relay) -> dict[str, Command]:
    """Give the commands of a relay's peers, by name."""

    def token(session: LineSession, rest: str) -> None:
        """/token: tell by what one can go on from another address."""
        peer = session.output
        assert isinstance(peer, TextPeer), "others have no such command"
        if peer.token is None:
            peer.token = relay.new_token()
            relay.resumable[peer.token] = peer
        session.note(f"from another address, go on by: /resume {peer.token}")

    def resume(session: LineSession, rest: str) -> None:
        """/resume TOKEN: what comes here has no right token, which is seen before."""
        raise Mistake("that token is nobody's, or your own")

    own = (
        Command("token", "", "tell how to go on from another address", False, token),
        Command(
            "resume",
            "TOKEN",
            "go on as who has that token, from another address",
            True,
            resume,
        ),
        relay.introducer.command,
    )
    return {each.name: each for each in own}
