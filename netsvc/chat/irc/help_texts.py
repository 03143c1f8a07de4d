"""
What HELP says: for each command its form, what it does, and what is easily missed.

The texts are plain ASCII, and each line fits behind any server's name and nick.
"""

from __future__ import annotations

from typing import Final

INDEX: Final = "INDEX"
"""The subject of a HELP without one."""

_COMMANDS: Final = """
ACCEPT <nick,...|-nick,...|*>
Lets people write to you in spite of your mode +R, or takes that back; * lists them.

ACCOUNT PASSWORD <old> <new>
Gives the account that you are logged in to another password.
ACCOUNT CERT ADD lets the certificate that your client shows log you in; CERT LIST
and CERT DEL [fingerprint] list and remove such ones.
ACCOUNT LOGOUT logs you out, ACCOUNT DELETE <password> deletes the account for good.

ADMIN [server]
Tells whom to turn to about this server.

AUTHENTICATE <mechanism or data>
Logs in to an account while the connection is set up (SASL). Clients do this by
themselves: configure the account's name and password there.
AUTHENTICATE * gives up.

AWAY [text]
Marks you as away, with a text that people who write to you are told.
Without a text you are back.

CAP LS|LIST|REQ|END [capabilities]
Negotiates what your client understands (IRCv3). Clients do this by themselves.

CHATHISTORY <subcommand> <target> <points> <limit>
Gives what was said before, in a room that you are in or between you and somebody.
CHATHISTORY LATEST #room * 50 gives the last 50 messages.
Others: BEFORE, AFTER, AROUND, BETWEEN, TARGETS; a point is timestamp=<time> or
msgid=<id>.

HELP [subject]
Tells how to use a command. Without a subject: which there are.

HELPOP [subject]
The same as HELP.

INFO [server]
Tells what this server is, and what it keeps of what is said.

INVITE [nick channel]
Invites somebody into a channel that you are in; it lets them in once, also if the
channel is for invited people only (+i).
Without parameters: lists the channels that you are invited to.

ISON <nick> [nick ...]
Tells which of these nicks are there.

ISUPPORT
Tells again what the server can do (005).

JOIN <channel>[,channel ...] [key[,key ...]]
Brings you into channels; one that does not exist is made, and you are its operator.
JOIN 0 leaves all channels.

KICK <channel> <nick>[,nick ...] [reason]
Puts people out of a channel of which you are an operator.

KILL <nick> [reason]
Ends somebody's connection. For operators of the server.

KLINE [duration] <mask> [reason]
Bans from this server all whom the mask means, and puts them out.
The mask is user@host, a host with * and ?, or an address with /bits.
The duration is in minutes, or as 1w2d3h4m5s; without one it is for ever.
For operators of the server. STATS k lists the bans, UNKLINE lifts one.

LINKS
Tells which servers there are.

LIST [channel,...] [condition,...]
Lists channels, with how many people are in them and their topics.
Conditions, which must all hold: >3 or <3 people; C>60 or C<60 made more or less than
60 minutes ago; T>60 or T<60 the same for the topic; a mask as #py*; !mask for the
others.

LUSERS
Tells how many people and channels there are.

MARKREAD <target> [timestamp=<time>]
Tells or sets how far you have read a channel or a conversation, for all your clients.

MODE <channel> [letters [parameters]]
MODE <your nick> [letters]
Tells modes, or changes them: +m sets m, -m takes it away. MODE #room b lists bans.
HELP CMODES and HELP UMODES tell what the letters mean.

MONITOR + <nick,...> | - <nick,...> | C | L | S
Has you told when people come and go: + adds nicks, - takes them off, C clears the
list, L lists it, S tells who is there now.

MOTD [server]
Shows the message of the day.

NAMES [channel[,channel ...]]
Tells who is in channels: @ stands before an operator, + before somebody with a voice.

NICK <nick>
Gives you another nick.

NOTICE <target>[,target ...] <text>
Says something like PRIVMSG does, but nothing answers it by itself. For programs.

OPER <name> <password>
Makes you an operator of the server. MODE <your nick> -o gives that up.

PART <channel>[,channel ...] [reason]
Leaves channels.

PASS <password>
Gives the server's password. It comes first, before NICK and USER.

PING <token>
Asks the server for a PONG with the token.

PONG <token>
Answers the server's PING.

PRIVMSG <target>[,target ...] <text>
Says something to a channel or to a person.
@#room reaches the operators of a channel alone, +#room those with a voice too.

QUIT [reason]
Ends your connection.

REGISTER <account or *> <mail or *> <password>
Makes an account, which nobody else can use the name of; * is your nick.

REHASH
Has the server read its configuration again. For operators of the server.

SETNAME <real name>
Changes your real name.

STATS <letter> [server]
Tells what the server counts: u how long it has been running, m how often commands
were used, p which operators of the server are here.
For operators of the server: o who may be one, l connections, k bans.

TAGMSG <target>[,target ...]
Sends message tags without a text: that you are typing, or a reaction.

TIME [server]
Tells the server's time, in UTC.

TOPIC <channel> [text]
Tells a channel's topic, or sets it. An empty text takes it away.
With +t, as new channels have it, operators of the channel alone set it.

UNKLINE <mask>
Lifts a ban from this server. For operators of the server.

USER <user> 0 * <real name>
Says who you are while the connection is set up.

USERHOST <nick> [nick ...]
Tells the hosts of up to five people, and who of them is away (-) or an operator (*).

VERIFY <account> <code>
Completes the registration of an account where that needs a code; here none does.

VERSION [server]
Tells which program this server is, and what it can do.

WALLOPS <text>
Speaks to all who have set +w. For operators of the server.

WEBIRC <password> <gateway> <host> <address> [options]
Says for whom a web gateway connects. For gateways that the server knows.

WHO <mask> [o][%fields[,token]]
Tells who is in a channel, who has a nick, or whose names match a mask with * and ?.
H is here, G is away, * an operator of the server, B a bot; o asks for operators only.

WHOIS [server] <nick>
Tells who somebody is: their account, channels, and how long they have been silent.

WHOWAS <nick> [count]
Tells who had a nick before, newest first.
"""

_OTHERS: Final = """
CMODES
Modes of channels. Only operators of a channel change them.
+b mask: a ban. A mask is nick!user@host with * and ?, or one of HELP EXTBANS.
+e mask: an exception from bans. +I mask: a standing invitation past +i.
+k key: a key, which JOIN must give. +l number: how many people may come in.
+i: for invited people only. +m: only operators and those with a voice speak.
+n: nobody speaks from outside. +s: hidden from those outside.
+t: operators alone set the topic. +C: no CTCP but ACTION. +R: only with an account.
+o nick: an operator of the channel. +v nick: a voice.

UMODES
Modes of people. You change your own: MODE <your nick> +i.
+i: invisible: found only by those who share a channel with you, or name you.
+w: you hear what operators of the server tell all (WALLOPS).
+R: only people with an account write to you, those you have written to, and those
whom ACCEPT names. +T: no CTCP but ACTION.
+B: you are a bot. +o: you are an operator of the server; only OPER sets it.

EXTBANS
Masks that are more than nick!user@host, for +b, +e and +I.
~a:account means who is logged in to that account; * and ? are allowed.
~m:mask in +b mutes: whom the mask means may come in, but not speak without a voice.
"""


def _read(text: str) -> dict[str, tuple[str, ...]]:
    """Read texts: each begins with its subject, and ends with an empty line."""
    topics = {}
    for part in text.strip("\n").split("\n\n"):
        lines = tuple(part.split("\n"))
        topics[lines[0].split(" ")[0]] = lines
    return topics


def _index(commands: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Write which subjects there are, several in a line."""
    names = sorted(commands)
    rows = [" ".join(names[at : at + 8]) for at in range(0, len(names), 8)]
    return (
        "HELP <subject> tells more. The commands:",
        *rows,
        "Other subjects: CMODES UMODES EXTBANS",
    )


_READ: Final = _read(_COMMANDS)

TOPICS: Final = {**_READ, **_read(_OTHERS), INDEX: _index(_READ)}
"""The lines of each subject, in upper case: all commands, and some more."""
