"""Tests of L{netsvc.chat.records}."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat import events, records
from netsvc.chat.events import Change, Event, Kind, Said, Source
from netsvc.chat.records import KINDS, event, record

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SOURCES = st.builds(Source, TEXT, TEXT, TEXT, st.none() | TEXT, TEXT, st.booleans())
TIMES = st.integers(0, 2**53)
CHANGES = st.lists(st.builds(Change, st.booleans(), TEXT, st.none() | TEXT)).map(tuple)
COMMON = {"time": TIMES, "msgid": TEXT, "source": SOURCES}
ROOM = {**COMMON, "room": TEXT}
EVENTS: dict[type[Event], st.SearchStrategy[Event]] = {
    Said: st.builds(
        Said,
        **COMMON,
        target=TEXT,
        kind=st.sampled_from(Kind),
        text=TEXT,
        status=st.sampled_from(["", "@", "+"]),
        tags=st.lists(st.tuples(TEXT, TEXT)).map(tuple),
        to=st.none() | SOURCES,
    ),
    events.Joined: st.builds(events.Joined, **ROOM, away=st.none() | TEXT),
    events.Parted: st.builds(events.Parted, **ROOM, reason=TEXT),
    events.Kicked: st.builds(events.Kicked, **ROOM, nick=TEXT, reason=TEXT),
    events.TopicSet: st.builds(events.TopicSet, **ROOM, topic=TEXT),
    events.ModesSet: st.builds(events.ModesSet, **ROOM, changes=CHANGES),
    events.Quit: st.builds(events.Quit, **COMMON, reason=TEXT),
    events.Renamed: st.builds(events.Renamed, **COMMON, nick=TEXT),
}

ANN = Source("ann", "a", "host", "annie", "Ann", True)
SAID = Said(5, "m1", ANN, "#a", Kind.MESSAGE, "hello", "", (("+x", "y"),), ANN)


def changed(kept: records.Record, **values: object) -> records.Record:
    """Give a record whose body has other values."""
    return replace(kept, body=json.dumps(json.loads(kept.body) | values))


class RoundTripTests(SynchronousTestCase):
    """Events that are kept, and made again."""

    @given(st.one_of(*EVENTS.values()), TEXT)
    def test_same(self, one: Event, target: str) -> None:
        """Every kept event is the same when it is made again."""
        kept = record(one, target)
        self.assertEqual(event(kept), one)
        self.assertEqual((kept.target, kept.msgid), (target, one.msgid))
        self.assertEqual((kept.time, kept.account), (one.time, one.source.account))

    def test_all_kinds(self) -> None:
        """There is no kept kind that this test does not know."""
        self.assertEqual(set(KINDS.values()), set(EVENTS))

    def test_searched(self) -> None:
        """A search finds what was said, and nothing else."""
        self.assertEqual(record(SAID, "#a").text, "hello")
        topic = events.TopicSet(1, "m", ANN, "#a", "tea")
        self.assertEqual(record(topic, "#a").text, "")

    def test_readable(self) -> None:
        """The body is JSON without what is in columns; other scripts stay readable."""
        body = record(replace(SAID, text="\ud55c\uae00"), "#a").body
        self.assertIn("\ud55c\uae00", body)
        self.assertNotIn("m1", body)


class OtherReleaseTests(SynchronousTestCase):
    """Records of another release."""

    def test_unknown_fields(self) -> None:
        """What a later release has added anywhere is passed over."""
        kept = record(SAID, "#a")
        source = json.loads(kept.body)["source"] | {"mood": "fine"}
        self.assertEqual(
            event(changed(kept, colour="red", source=source, to=source)), SAID
        )
        modes = events.ModesSet(1, "m", ANN, "#a", (Change(True, "i"),))
        body = {"adding": True, "letter": "i", "argument": None, "until": 5}
        self.assertEqual(event(changed(record(modes, "#a"), changes=[body])), modes)

    def test_missing_fields(self) -> None:
        """What an earlier release did not have is as by default."""
        kept = record(events.Quit(1, "m", ANN, "bye"), "#a")
        body = json.loads(kept.body)
        del body["reason"], body["source"]["bot"]
        made = event(replace(kept, body=json.dumps(body)))
        self.assertEqual(made, events.Quit(1, "m", replace(ANN, bot=False)))

    def test_unreadable(self) -> None:
        """What cannot be read is one kind of error, whatever is wrong with it."""
        kept = record(SAID, "#a")
        for bad in (
            replace(kept, kind="sung"),
            replace(kept, body="{"),
            replace(kept, body="[]"),
            replace(kept, body="null"),
            replace(kept, body="{}"),
            changed(kept, source=None),
            changed(kept, source={}),
            changed(kept, kind="sung"),
            changed(kept, tags=[1]),
            changed(kept, tags=None),
            changed(kept, to="ann"),
        ):
            self.assertRaises(ValueError, event, bad)
