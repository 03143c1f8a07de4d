"""
Events as the history keeps them.

A L{Record} has what the store searches by as columns, and the whole event as JSON. A
record's target is the room's key, with its era, or the pair of accounts of a private
conversation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Final

from netsvc.chat import events
from netsvc.chat.events import Change, Event, Kind, Said, Source

#: The events that are kept, by the name that the store gives them.
KINDS: Final[dict[str, type[Event]]] = {
    "said": Said,
    "joined": events.Joined,
    "parted": events.Parted,
    "kicked": events.Kicked,
    "topic": events.TopicSet,
    "modes": events.ModesSet,
    "quit": events.Quit,
    "renamed": events.Renamed,
}
_NAMES: Final = {each: name for name, each in KINDS.items()}
_COLUMNS: Final = ("time", "msgid")
_BODY: Final = {
    each: tuple(field.name for field in fields(each) if field.name not in _COLUMNS)
    for each in (*KINDS.values(), Change, Source)
}


def _body(value: Any) -> dict[str, Any]:
    """Give what JSON has of an event, and of what is in one."""
    return {name: getattr(value, name) for name in _BODY[type(value)]}


_to_json: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=_body
).encode


@dataclass(frozen=True, slots=True)
class Record:
    """
    A kept event.

    @ivar target: Whose history it belongs to.
    @ivar msgid: The event's.
    @ivar time: The event's, in ms.
    @ivar kind: A key of L{KINDS}.
    @ivar account: The account of who caused it, or C{None}.
    @ivar text: What a search finds; empty for what is no message.
    @ivar body: The event, as JSON.
    """

    target: str
    msgid: str
    time: int
    kind: str
    account: str | None
    text: str
    body: str


def record(event: Event, target: str) -> Record:
    """
    Make the record of an event.

    @param event: One of L{KINDS}.
    @param target: Whose history it belongs to.
    """
    text = event.text if isinstance(event, Said) else ""
    return Record(
        target,
        event.msgid,
        event.time,
        _NAMES[type(event)],
        event.source.account,
        text,
        _to_json(_body(event)),
    )


def event(record: Record) -> Event:
    """
    Make the event of a record again.

    @raise ValueError: If the record is of no kind that this release knows, or
        cannot be read.
    """
    made = KINDS.get(record.kind)
    if made is None:
        raise ValueError(f"unknown kind of event: {record.kind!r}")
    try:
        values = _known(made, json.loads(record.body))
        values["source"] = Source(**_known(Source, values["source"]))
        if made is Said:
            values["kind"] = Kind(values["kind"])
            values["tags"] = tuple((name, value) for name, value in values["tags"])
            if values["to"] is not None:
                values["to"] = Source(**_known(Source, values["to"]))
        elif made is events.ModesSet:
            values["changes"] = tuple(
                Change(**_known(Change, each)) for each in values["changes"]
            )
        return made(time=record.time, msgid=record.msgid, **values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"unreadable event: {error}") from None


def _known(made: type, body: dict[str, Any]) -> dict[str, Any]:
    """Give what this release knows of what a later one may have kept."""
    return {each.name: body[each.name] for each in fields(made) if each.name in body}
