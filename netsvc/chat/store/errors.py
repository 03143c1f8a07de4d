"""What goes wrong with the store."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot do it; the text is one line for the operator."""


class StoreBusyError(StoreError):
    """The store has too much to do at this moment, or was asked for too much."""


class UnknownMessageError(Exception):
    """
    No message of that name is in that history.

    @ivar msgid: The name.
    """

    def __init__(self, msgid: str) -> None:
        """Name what is unknown."""
        super().__init__(msgid)
        self.msgid = msgid
