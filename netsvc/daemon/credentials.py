"""
Files by the name of a credential: C{credential:NAME}.

systemd gives a unit its secrets as files (C{LoadCredential=}), in a directory that
C{$CREDENTIALS_DIRECTORY} names and nobody else can read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

#: What stands before the name of a credential.
PREFIX: Final = "credential:"

#: Where the unit that netsvc ships has its credentials, for those who check a
#: configuration outside of it.
UNIT_DIRECTORY: Final = Path("/run/credentials/netsvc.service")

_NAME: Final = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,254}")


def credentials_directory() -> Path:
    """Give the directory of this process's credentials."""
    return Path(os.environ.get("CREDENTIALS_DIRECTORY") or UNIT_DIRECTORY)


def credentials_come_later() -> bool:
    """Tell whether there are none because the unit that gets them does not run:
    systemd passes them when it starts one."""
    # A directory that this user may not look at is none, too.
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    return not given and not os.path.isdir(credentials_directory())


def credential_path(text: str) -> Path:
    """
    Find the file of C{credential:NAME}, which need not exist.

    @raise ValueError: The name cannot be one of a credential.
    """
    name = text.removeprefix(PREFIX)
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{text[:60]!r} is not credential:NAME, a name of letters, digits, . _ - @"
        )
    return credentials_directory() / name


def show_path(path: Path) -> str:
    """Show a path as L{credential_path} takes it, if it is one of a credential."""
    if path.parent == credentials_directory() and _NAME.fullmatch(path.name):
        return f"{PREFIX}{path.name}"
    return str(path)
