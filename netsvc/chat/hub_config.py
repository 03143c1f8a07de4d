"""What the settings of a hub say, in the words of those who go by it."""

from __future__ import annotations

from pathlib import Path

from netsvc.chat.accounts.rules import AccountRules
from netsvc.chat.hub_settings import HubSettings
from netsvc.chat.limits import HubLimits
from netsvc.daemon.files import read_file

#: The most bytes of a message of the day, and the most of a password file.
_MOTD_LIMIT = 64 * 1024
_PASSWORD_LIMIT = 512


def read_text(path: Path, limit: int) -> str:
    """
    Read a small file of text.

    @raise ValueError: If it cannot be read, is too large or no UTF-8: one line.
    """
    try:
        data = read_file(path, limit)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > limit:
        raise ValueError(f"{path} has more than {limit} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error.reason}") from None


def read_motd(settings: HubSettings) -> list[str]:
    """
    Read the message of the day, by lines.

    @raise ValueError: If it cannot be read: one line.
    """
    if settings.motd is None:
        return []
    return read_text(settings.motd, _MOTD_LIMIT).splitlines()


def read_password(settings: HubSettings) -> str | None:
    """
    Read the server's password.

    @raise ValueError: If it cannot be read, or is empty: one line.
    """
    return None if settings.password is None else read_secret(settings.password)


def read_secret(path: Path) -> str:
    """
    Read a password from a file: its only line.

    @raise ValueError: If it cannot be read, or is empty: one line.
    """
    password = read_text(path, _PASSWORD_LIMIT).rstrip("\r\n")
    if not password:
        raise ValueError(f"{path} is empty")
    return password


def operators(settings: HubSettings) -> dict[str, str]:
    """Give the hashes of the operators' passwords, by name."""
    return {each.name: each.hashed for each in settings.oper}


def account_rules(settings: HubSettings) -> AccountRules:
    """Give what is allowed with accounts."""
    return AccountRules(
        min_password=settings.min_password,
        source_rate=settings.login_rate,
        account_rate=settings.account_login_rate,
        registration_rate=settings.registration_rate,
    )


def hub_limits(settings: HubSettings, members: int) -> HubLimits:
    """Give the limits of a hub for so many people."""
    return HubLimits(
        members=members,
        rooms=settings.max_rooms,
        rooms_per_member=settings.max_rooms_per_member,
        members_per_room=settings.max_members_per_room,
        message_rate=settings.message_rate,
        join_rate=settings.join_rate,
        nick_rate=settings.nick_rate,
    )
