"""What a kind of log event is, and the fields that several kinds have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of event.

    @ivar name: its name.
    @ivar level: C{info}, C{warn}, C{error}, or C{critical}, which goes with a
        traceback.
    @ivar meaning: when it comes, for operators.
    @ivar fields: what it tells, each name with what it stands for.
    @ivar by: fields that tell lines apart when too many of them come.
    @ivar limited: whether too many of them are left out. Not what operators did.
    """

    name: str
    level: str
    meaning: str
    fields: dict[str, str]
    by: tuple[str, ...] = ()
    limited: bool = True


#: Which service it is about.
SERVICE: Final = {"service": "the service, such as `netsvc-echo`"}

#: How many lines were left out.
SUPPRESSED: Final = {"suppressed": "how many there were since the last such line"}

#: Why.
REASON: Final = {"reason": "why"}
