"""
The hub: what people may do, and what happens when they do it.

A command checks, and refuses with L{HubError<netsvc.chat.events.HubError>} or
publishes one event on the bus; the event changes the state (L{netsvc.chat.state}) and
is delivered (L{netsvc.chat.courier}). Frontends call commands, and read members and
rooms. The commands are methods of L{Hub} that stand by subject in modules of their own:

  - L{netsvc.chat.hub_people}: coming and going, what one is called, whom one watches;
  - L{netsvc.chat.hub_rooms}: into rooms and out of them, topics, modes;
  - L{netsvc.chat.hub_talking}: what is said.

The hub reads no clock and draws no random numbers: both are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from netsvc.chat import confusables, events, hub_people, hub_rooms, hub_talking
from netsvc.chat.bus import Bus, LocalBus
from netsvc.chat.courier import Courier
from netsvc.chat.events import HubError, Reason
from netsvc.chat.limits import HubLimits
from netsvc.chat.member import Member
from netsvc.chat.names import fold
from netsvc.chat.rooms import Room
from netsvc.chat.state import Archive, State
from netsvc.daemon.limits import Rate, RateTable, changed_table


class Hub:
    """
    One namespace of people and rooms.

    @ivar state: Members and rooms; to be read.
    @ivar courier: Delivers events, and replies behind them.
    @ivar limits: What one may use.
    @ivar refused: How often each limit bit, by name.
    @ivar source: The server, as it speaks.
    @ivar bus: Carries the events; commands publish on it.
    @ivar reserved: Gives the account whose name a nick's key is, or looks like.
    """

    def __init__(
        self,
        *,
        name: str,
        courier: Courier,
        milliseconds: Callable[[], int],
        seconds: Callable[[], float],
        new_id: Callable[[], str],
        limits: HubLimits | None = None,
        archive: Archive | None = None,
        reserved: Callable[[str], str | None] = lambda nick: None,
        bus: Bus | None = None,
    ) -> None:
        """
        Start empty.

        @param name: The server's name, which speaks for it.
        @param courier: Delivers events.
        @param milliseconds: The wall clock, in ms since the epoch.
        @param seconds: A clock that only goes forwards, for rates.
        @param new_id: Makes a msgid that never was before.
        @param limits: What one may use.
        @param archive: Names what the history keeps; C{None} keeps nothing.
        @param reserved: Gives the account whose name a nick is, or looks like, by the
            nick's key.
        @param bus: Carries the events; by default one of this process.
        """
        self.courier = courier
        self.limits = limits = limits or HubLimits()
        self.source = events.server_source(name)
        self.state = State(courier, archive, confusables.key, limits.whowas, name)
        self.refused: Counter[str] = Counter()
        self.reserved = reserved
        self.bus = bus or LocalBus()
        self.bus.subscribe(self.state.apply)
        self._now = milliseconds
        self._seconds = seconds
        self._new_id = new_id
        self._rates = {
            "messages": _table(limits.message_rate),
            "joins": _table(limits.join_rate),
            "nick-changes": _table(limits.nick_rate),
        }
        self._last = 0

    def change(self, limits: HubLimits) -> None:
        """Go by other limits from now on; what there is already stays."""
        self.limits = limits
        for what, rate in (
            ("messages", limits.message_rate),
            ("joins", limits.join_rate),
            ("nick-changes", limits.nick_rate),
        ):
            self._rates[what] = changed_table(self._rates[what], rate)

    # What the commands are made of.

    def stamp(self) -> tuple[int, str]:
        """Give a time, never before the last one, and a msgid."""
        self._last = max(self._last, self._now())
        return self._last, self._new_id()

    def spend(self, what: str, member: Member) -> None:
        """
        Take one from a budget.

        @raise HubError: If it is empty.
        """
        table = self._rates[what]
        if table is None:
            return
        if not table.allow(member.payer, self._seconds()):
            self.refused[what] += 1
            raise HubError(Reason.TOO_FAST, what)

    def refusal(self, name: str, reason: Reason, *context: str) -> HubError:
        """Count a limit that bites, and make the refusal."""
        self.refused[name] += 1
        return HubError(reason, *context)

    # Looking.

    def member(self, nick: str) -> Member:
        """
        Give who has a nick.

        @raise HubError: If nobody has.
        """
        member = self.state.members.get(fold(nick))
        if member is None:
            raise HubError(Reason.NO_SUCH_NICK, nick)
        return member

    def room(self, name: str) -> Room:
        """
        Give a room.

        @raise HubError: If there is none of that name.
        """
        room = self.state.rooms.get(fold(name))
        if room is None:
            raise HubError(Reason.NO_SUCH_ROOM, name)
        return room

    def here(self, member: Member) -> bool:
        """
        Say whether somebody has not left.

        Events name people by their nicks: what is done for one who has left, by an
        answer that came late, would be done to whoever has that nick now.
        """
        return self.state.members.get(member.key) is member

    def still_here(self, member: Member) -> None:
        """
        Check that somebody has not left.

        @raise HubError: If they have.
        """
        if not self.here(member):
            raise HubError(Reason.NO_SUCH_NICK, member.nick)

    def visible(self, room: Room, viewer: Member | None) -> bool:
        """Say whether somebody may know of a room."""
        return not room.secret or (viewer is not None and viewer in room.members)

    def share_room(self, first: Member, second: Member) -> bool:
        """Say whether two are in the same room."""
        return not first.rooms.keys().isdisjoint(second.rooms)

    def regroup(self, session_member: Member) -> None:
        """A member's session has another wire now."""
        self.state.regroup(session_member)

    # Coming and going, being called, watching.

    check_nick = hub_people.check_nick
    enter = hub_people.enter
    leave = hub_people.leave
    rename = hub_people.rename
    set_away = hub_people.set_away
    set_account = hub_people.set_account
    set_realname = hub_people.set_realname
    set_host = hub_people.set_host
    set_user_modes = hub_people.set_user_modes
    set_operator = hub_people.set_operator
    announce = hub_people.announce
    watch = hub_people.watch
    unwatch = hub_people.unwatch

    # Rooms.

    join = hub_rooms.join
    part = hub_rooms.part
    set_topic = hub_rooms.set_topic
    kick = hub_rooms.kick
    invite = hub_rooms.invite
    set_modes = hub_rooms.set_modes

    # Talking.

    say = hub_talking.say


def _table(rate: Rate | None) -> RateTable | None:
    """The buckets of a rate; none when it is off."""
    return None if rate is None else RateTable(rate)
