"""
C{netsvc chat}: a terminal client for the line frontend of C{netsvc-chat}, and for
C{netsvc-relay}.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from netsvc.chat.charset import Encoding, encoding_of
from netsvc.chat.client.entry import Wishes
from netsvc.chat.client.target import (
    DEFAULT_PORT,
    UDP,
    UDP_PORT,
    ClientSettings,
)
from netsvc.chat.names import valid_nick, valid_room
from netsvc.cli.parsing import Parser, argument
from netsvc.daemon.targets import TLSSettings, parse_target

__all__ = ["main"]

#: Characters of a password that are read from its file.
MAX_PASSWORD = 1024

_DESCRIPTION = """\
Chat on a netsvc-chat server, or any other that speaks in lines. On a terminal:
line editing, history (Up, Ctrl-R), completion of nicks, rooms and commands (Tab),
/help for the commands, Ctrl-D to leave. A password is asked for, and not shown,
where /login or /register is typed without one; none is kept in the history.

In a pipe each line of the input is sent once the room is entered, the server's
lines are printed, and the end of the input is the end. A line that begins with a
slash is a command there too, unless --no-commands says that it is text.

udp:HOST is a relay. What is said to one person (/msg) can go there directly, past
the relay, once each of the two has told the other their address: see --direct,
/direct NICK and /path.
"""
_EPILOG = """\
exit status: 0 well; in a pipe: the server has taken every line; 1 not connected,
connection lost, or the server refused something; 2 bad usage.

colours: none where the environment variable NO_COLOR is set.

examples:
  netsvc chat localhost
  netsvc chat --tls --nick jiwoo --room '#seoul' chat.example
  uptime | netsvc chat chat.example --room ops
  netsvc chat udp:chat.example --direct never
"""


def _target(text: str) -> tuple[bool, str, int]:
    """Read a target: whether it is UDP, host and port."""
    if text.startswith(UDP):
        return True, *parse_target(text.removeprefix(UDP), UDP_PORT)
    return False, *parse_target(text, DEFAULT_PORT)


def _room(text: str) -> str:
    room = text if text.startswith("#") else f"#{text}"
    if not valid_room(room):
        raise ValueError(f"{text!r} is no name of a room")
    return room


def _nick(text: str) -> str:
    if not valid_nick(text):
        raise ValueError(f"{text!r} is no nick")
    return text


def _encoding(text: str) -> Encoding:
    encoding = encoding_of(text)
    if encoding is None:
        raise ValueError(f"there is no {text!r}; there are: utf-8, cp949")
    return encoding


def _password(name: str) -> str:
    try:
        with open(name, encoding="utf-8") as file:
            return file.readline(MAX_PASSWORD).rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"cannot read {name!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name!r} is no text in UTF-8") from None


def _parser() -> Parser:
    parser = Parser(
        "netsvc chat",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "target",
        metavar="[udp:]HOST[:PORT]",
        type=argument(_target),
        help=f"name or address; port {DEFAULT_PORT}, over UDP {UDP_PORT}, unless"
        " given; [::1]:7070 for IPv6",
    )
    parser.add_argument(
        "--room",
        metavar="ROOM",
        type=argument(_room),
        action="append",
        default=[],
        help="room to enter, with or without #; repeat for more, the last is spoken in",
    )
    parser.add_argument(
        "--nick", metavar="NICK", type=argument(_nick), help="nick to take"
    )
    parser.add_argument(
        "--charset",
        metavar="NAME",
        type=argument(_encoding),
        help="character set of the connection: utf-8 (default) or cp949; "
        "the server is told when it is given",
    )
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        type=argument(_password),
        help="file whose first line is the server's password, where it has one",
    )
    parser.add_argument(
        "--timestamps", action="store_true", help="show when each line came"
    )
    parser.add_argument(
        "--no-reconnect",
        dest="reconnect",
        action="store_false",
        help="end when the connection is lost, as in a pipe",
    )
    parser.add_argument(
        "--no-commands",
        dest="commands",
        action="store_false",
        help="in a pipe: say lines that begin with a slash, too, and obey none",
    )
    group = parser.add_argument_group("UDP")
    group.add_argument(
        "--direct",
        choices=("auto", "force", "never"),
        help="direct paths: auto (default) with people to whom you write, who then"
        " see your address; force: what you say to one person takes no other path;"
        " never: all goes by the relay",
    )
    group = parser.add_argument_group("TLS")
    group.add_argument(
        "--tls", action="store_true", help="over TLS, and check the certificate"
    )
    group.add_argument(
        "--ca", metavar="FILE", type=Path, help="trust the issuers in FILE (PEM) only"
    )
    group.add_argument(
        "--server-name",
        metavar="NAME",
        default="",
        help="name to ask for and to check instead of HOST",
    )
    group.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="take any certificate, also of somebody in between",
    )
    return parser


def _settings(parser: Parser, arguments: argparse.Namespace) -> ClientSettings:
    is_udp, host, port = arguments.target
    if is_udp and arguments.tls:
        parser.error("there is no --tls over UDP")
    if arguments.direct and not is_udp:
        parser.error("--direct is for udp:HOST")
    if not arguments.tls and (
        arguments.ca or arguments.server_name or not arguments.verify
    ):
        parser.error("--ca, --server-name and --no-verify need --tls")
    if arguments.ca and not arguments.verify:
        parser.error("--no-verify leaves nothing for --ca to check")
    tls = TLSSettings(arguments.ca, arguments.verify, arguments.server_name)
    charset = arguments.charset or ""
    return ClientSettings(
        host,
        port,
        tls if arguments.tls else None,
        Wishes(arguments.nick or "", tuple(arguments.room), charset),
        arguments.charset or "utf-8",
        arguments.reconnect,
        arguments.timestamps,
        arguments.password_file or "",
        arguments.commands,
        is_udp,
    )


def main(argv: Sequence[str]) -> int:
    """
    Run C{netsvc chat} with the arguments C{argv}, without the command's name.

    @return: the exit status: 0 well, 1 failed, L{EXIT_USAGE}.
    """
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        settings = _settings(parser, arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    # Not before: --help and a bad option should not wait for Twisted.
    from netsvc.chat.client.main import run_chat

    if not settings.udp:
        return run_chat(settings)
    from netsvc.relay.client.link import RelaySettings, udp_link

    relay = RelaySettings(
        settings.host, settings.port, arguments.direct or "auto", settings.encoding
    )
    return run_chat(settings, udp_link(relay))
