"""C{netsvc hash-password}: the hash of a password, for C{netsvc-chat --oper}."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence

from netsvc.chat.accounts.errors import PasswordError
from netsvc.chat.accounts.passwords import hash_now
from netsvc.cli.parsing import Parser

__all__ = ["main"]

_DESCRIPTION = """\
Hash a password with Argon2id. On a terminal it is asked for, twice, and not shown;
otherwise it is the first line of the standard input.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Print a password's hash.

    @param argv: The arguments; there are none but C{--help}.
    @return: 0, or 1 when there is no password, or none that may be used.
    """
    parser = Parser("netsvc hash-password", description=_DESCRIPTION)
    parser.parse_args(argv)
    try:
        print(hash_now(_read()))
    except PasswordError as error:
        print(f"netsvc hash-password: {error}", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt):
        print("netsvc hash-password: no password was given", file=sys.stderr)
        return 1
    return 0


def _read() -> str:
    """
    Read the password.

    @raise PasswordError: If the two are not the same, or it is not text.
    """
    if not sys.stdin.isatty():
        try:
            return sys.stdin.readline().rstrip("\r\n")
        except UnicodeDecodeError:
            raise PasswordError("the password is not text") from None
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise PasswordError("the two are not the same")
    return password
