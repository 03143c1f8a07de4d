"""What the hub refuses, as numerics."""

from __future__ import annotations

from typing import Final

from netsvc.chat.events import HubError, Reason
from netsvc.chat.irc import numerics

_CODES: Final = {
    Reason.NICK_EMPTY: numerics.ERR_NONICKNAMEGIVEN,
    Reason.NICK_INVALID: numerics.ERR_ERRONEUSNICKNAME,
    Reason.NICK_IN_USE: numerics.ERR_NICKNAMEINUSE,
    Reason.NICK_RESERVED: numerics.ERR_NICKNAMEINUSE,
    Reason.NICK_CONFUSABLE: numerics.ERR_NICKNAMEINUSE,
    Reason.NO_SUCH_NICK: numerics.ERR_NOSUCHNICK,
    Reason.NO_SUCH_ROOM: numerics.ERR_NOSUCHCHANNEL,
    Reason.ROOM_INVALID: numerics.ERR_NOSUCHCHANNEL,
    Reason.TOO_MANY_ROOMS: numerics.ERR_TOOMANYCHANNELS,
    Reason.ROOM_FULL: numerics.ERR_CHANNELISFULL,
    Reason.ROOM_KEY: numerics.ERR_BADCHANNELKEY,
    Reason.ROOM_INVITE_ONLY: numerics.ERR_INVITEONLYCHAN,
    Reason.BANNED: numerics.ERR_BANNEDFROMCHAN,
    Reason.ACCOUNT_NEEDED: numerics.ERR_NEEDREGGEDNICK,
    Reason.NOT_IN_ROOM: numerics.ERR_NOTONCHANNEL,
    Reason.NOT_ON_ROOM: numerics.ERR_USERNOTINCHANNEL,
    Reason.ALREADY_IN_ROOM: numerics.ERR_USERONCHANNEL,
    Reason.NOT_OPERATOR: numerics.ERR_CHANOPRIVSNEEDED,
    Reason.CANNOT_SEND: numerics.ERR_CANNOTSENDTOCHAN,
    Reason.MUTED: numerics.ERR_CANNOTSENDTOCHAN,
    Reason.ACCOUNTS_ONLY: numerics.ERR_NEEDREGGEDNICK,
    Reason.NO_CTCP: numerics.ERR_CANTSENDTOUSER,
    Reason.NO_TEXT: numerics.ERR_NOTEXTTOSEND,
    Reason.LIST_FULL: numerics.ERR_BANLISTFULL,
    Reason.UNKNOWN_MODE: numerics.ERR_UNKNOWNMODE,
    Reason.BAD_MODE_ARGUMENT: numerics.ERR_INVALIDMODEPARAM,
    Reason.TOO_FAST: numerics.RPL_TRYAGAIN,
    Reason.HUB_FULL: numerics.ERR_UNKNOWNERROR,
}

_TEXTS: Final = {
    Reason.NICK_RESERVED: "Nickname belongs to an account: log in to it first",
    Reason.NICK_CONFUSABLE: "Nickname looks like one that is in use",
    Reason.MUTED: "Cannot send to channel: you are banned or muted there",
    Reason.ACCOUNTS_ONLY: "You must be logged in to message this user",
    Reason.HUB_FULL: "There is no room for more people",
}


def numeric(error: HubError, verb: str) -> tuple[str, tuple[str, ...], str | None]:
    """
    Give the numeric for a refusal.

    @param error: The refusal.
    @param verb: The command that was refused.
    @return: The code, the parameters between nick and text, and the text when it is
        not the numeric's own.
    """
    reason, context = error.reason, error.context
    text = _TEXTS.get(reason)
    if reason in (Reason.TOO_FAST, Reason.HUB_FULL):
        context = (verb,)
    elif reason is Reason.CANNOT_SEND:
        context, text = context[:1], f"Cannot send to channel: {context[1]}"
    elif reason is Reason.LIST_FULL:
        context = (context[0], context[2])
    elif reason is Reason.ACCOUNT_NEEDED and verb in ("PRIVMSG", "TAGMSG"):
        text = "Cannot send to channel: log in to an account first"
        return numerics.ERR_CANNOTSENDTOCHAN, context, text
    return _CODES[reason], context, text
