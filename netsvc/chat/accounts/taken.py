"""The names that accounts have: in memory, so that a nick can be checked at once."""

from __future__ import annotations

from collections.abc import Callable

from netsvc.chat.names import fold


class TakenNames:
    """
    Who has which name. A key is a folded name.

    There are as many as there are accounts: whoever adds one has asked for its size.
    """

    def __init__(self, skeleton: Callable[[str], str]) -> None:
        """
        @param skeleton: Gives the same for names that look the same (UTS 39).
        """
        self._skeleton = skeleton
        self._names: dict[str, str] = {}
        self._skeletons: dict[str, str] = {}
        self._deleted: set[str] = set()

    def __len__(self) -> int:
        """Give the number of names, those of deleted accounts too."""
        return len(self._names) + len(self._deleted)

    @property
    def live(self) -> int:
        """How many accounts there are."""
        return len(self._names)

    def add(self, key: str, name: str) -> None:
        """There is an account."""
        self._names[key] = name
        self._skeletons[self._skeleton(name)] = name

    def delete(self, key: str, name: str) -> None:
        """There is only the name of an account."""
        self.erase(key, name)
        self._deleted.add(key)

    def erase(self, key: str, name: str) -> None:
        """There is nothing of that name."""
        self._names.pop(key, None)
        self._deleted.discard(key)
        look = self._skeleton(name)
        if self._skeletons.get(look) == name:
            del self._skeletons[look]

    def name(self, key: str) -> str | None:
        """Give an account's name as it is shown."""
        return self._names.get(key)

    def taken(self, key: str) -> bool:
        """Say whether there is an account of that name, or was one."""
        return key in self._names or key in self._deleted

    def deleted(self, key: str) -> bool:
        """Say whether there was an account of that name, and is none."""
        return key in self._deleted

    def looks_like(self, name: str) -> str | None:
        """Give the account whose name is the same or looks the same."""
        same = self._names.get(fold(name))
        return same or self._skeletons.get(self._skeleton(name))
