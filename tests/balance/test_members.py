"""Tests of L{netsvc.balance.members}."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import AdminState, Backend, HealthRules, State
from netsvc.balance.backends import (
    MAX_ADDRESSES,
    MAX_BACKENDS,
    Resolved,
    parse_backend,
)
from netsvc.balance.members import Members, Update

ABC = ("10.0.0.1:80,name=a", "10.0.0.2:80,name=b", "10.0.0.3:80,name=c")
WEB = parse_backend("web:80")


class MembersTestCase(SynchronousTestCase):
    """What the tests below share."""

    def make(self, *texts: str, max_ejected: float = 0.5, **rules: Any) -> Members:
        """Members without checks, started at time 0."""
        self.forgotten: list[Backend] = []
        return Members(
            [parse_backend(text) for text in texts],
            HealthRules(**{"checked": False, **rules}),
            max_ejected,
            0.0,
            self.forgotten.append,
        )

    def names(self, backends: Iterable[Backend]) -> str:
        return " ".join(backend.name for backend in backends)


def at(*hosts: int) -> list[Resolved]:
    """Addresses 10.0.0.N."""
    return [Resolved(f"10.0.0.{host}", 80) for host in hosts]


class UsableTests(MembersTestCase):
    """Tests of who may be asked."""

    def test_primaries(self) -> None:
        """Those that are up are usable, in their order, but no backup."""
        members = self.make(*ABC, "10.0.0.9:80,name=z,backup")
        self.assertEqual(self.names(members.usable(0.0)), "a b c")
        members.set_admin("b", AdminState.DRAIN, 0.0)
        self.assertEqual(self.names(members.usable(0.0)), "a c")

    def test_backups(self) -> None:
        """Backups are usable when no primary backend is, and not before."""
        members = self.make(*ABC[:2], "10.0.0.9:80,name=z,backup")
        a, b, _ = members.backends
        self.assertEqual(self.names(members.usable(0.0, {a})), "b")
        self.assertEqual(self.names(members.usable(0.0, {a, b})), "z")
        members.set_admin("a", AdminState.DRAIN, 0.0)
        members.set_admin("b", AdminState.MAINT, 0.0)
        self.assertEqual(self.names(members.usable(0.0)), "z")
        self.assertEqual(members.usable(0.0, set(members.backends)), [])

    def test_last_resort(self) -> None:
        """When nothing else is left, those that are ejected are usable."""
        members = self.make(*ABC[:2], "10.0.0.9:80,name=z,backup")
        members.eject(members.backends[0], 1.0)
        self.assertEqual(self.names(members.usable(1.0)), "b")
        members.set_admin("b", AdminState.DRAIN, 1.0)
        self.assertEqual(self.names(members.usable(1.0)), "z")
        members.set_admin("z", AdminState.DRAIN, 1.0)
        self.assertEqual(self.names(members.usable(1.0)), "a")
        self.assertEqual(members.usable(1.0, [members.backends[0]]), [])


class EjectTests(MembersTestCase):
    """Tests of the cap on ejections."""

    def ejected(self, texts: Iterable[str], max_ejected: float) -> int:
        """Try to eject all; give how many are."""
        members = self.make(*texts, max_ejected=max_ejected)
        for backend in members.backends:
            members.eject(backend, 1.0)
        return sum(b.state(1.0) is State.EJECTED for b in members.backends)

    def test_cap(self) -> None:
        """No more than the share are ejected, but one may be in any case."""
        ten = [f"10.0.0.{i}:80" for i in range(10)]
        self.assertEqual(self.ejected(ten, 0.5), 5)
        self.assertEqual(self.ejected(ten, 0.29), 2)
        self.assertEqual(self.ejected(ten, 0.01), 1)
        self.assertEqual(self.ejected(ten, 0), 0)

    def test_last(self) -> None:
        """The last one that takes sessions is never ejected."""
        self.assertEqual(self.ejected(ABC, 1), 2)
        self.assertEqual(self.ejected(ABC[:1], 1), 0)

    def test_backup_left(self) -> None:
        """A backup counts as one that takes sessions."""
        texts = ["10.0.0.1:80", "10.0.0.9:80,backup"]
        self.assertEqual(self.ejected(texts, 1), 1)

    def test_counted(self) -> None:
        """An ejection that the cap prevents is counted."""
        members = self.make(*ABC, max_ejected=0.34)
        results = [members.eject(backend, 1.0) for backend in members.backends]
        self.assertEqual(results, [True, False, False])
        self.assertEqual(members.ejections_refused, 2)

    def test_not_available(self) -> None:
        """What is out already is not ejected, and not counted."""
        members = self.make(*ABC)
        members.set_admin("a", AdminState.DRAIN, 1.0)
        self.assertFalse(members.eject(members.backends[0], 1.0))
        self.assertTrue(members.eject(members.backends[1], 1.0))
        self.assertFalse(members.eject(members.backends[1], 1.0))
        self.assertEqual(members.ejections_refused, 0)

    def test_over(self) -> None:
        """An ejection that is over makes place for another."""
        members = self.make(*ABC, max_ejected=0.34, ejection_time=10)
        a, b, _ = members.backends
        self.assertTrue(members.eject(a, 0.0))
        self.assertTrue(members.eject(b, 10.0))


class UpdateTests(MembersTestCase):
    """Tests of names whose addresses change."""

    def test_unresolved(self) -> None:
        """A name has no backend before it is resolved."""
        members = self.make("10.0.0.1:80", "web:80", "srv:_a._tcp.b")
        self.assertEqual(self.names(members.backends), "10.0.0.1:80")
        self.assertEqual(
            [spec.text for spec in members.unresolved], ["web:80", "srv:_a._tcp.b"]
        )

    def test_first(self) -> None:
        """Its addresses become backends, in its place in the list."""
        members = self.make("web:80", "10.0.0.9:80")
        update = members.update(WEB, at(1, 2, 1), 5.0)
        self.assertEqual(
            self.names(update.added), "web:80/10.0.0.1:80 web:80/10.0.0.2:80"
        )
        self.assertEqual((update.removed, update.left_out), ((), 0))
        self.assertEqual(members.backends[:2], update.added)
        self.assertEqual(members.backends[2].name, "10.0.0.9:80")
        self.assertEqual(members.backends[0].since(7.0), 2.0)

    def test_unchanged(self) -> None:
        """Backends whose address stays stay the same, in any order."""
        members = self.make("web:80")
        before = members.update(WEB, at(1, 2), 0.0).added
        before[0].begin(1.0)
        update = members.update(WEB, at(2, 1), 2.0)
        self.assertEqual((update.added, update.removed), ((), ()))
        self.assertEqual(members.backends, before)
        self.assertEqual(self.forgotten, [])

    def test_changed(self) -> None:
        """A change adds what is new and takes away what is gone."""
        members = self.make("web:80")
        one, two = members.update(WEB, at(1, 2), 0.0).added
        update = members.update(WEB, at(2, 3), 1.0)
        self.assertEqual(self.names(update.added), "web:80/10.0.0.3:80")
        self.assertEqual(update.removed, (one,))
        self.assertEqual(members.backends, (two, *update.added))
        self.assertEqual(self.forgotten, [one])
        self.assertEqual(members.leaving, ())

    def test_sessions_kept(self) -> None:
        """A backend that is gone is shown until its sessions have ended."""
        members = self.make("web:80")
        (one,) = members.update(WEB, at(1), 0.0).added
        one.begin(1.0)
        members.update(WEB, [], 2.0)
        self.assertEqual(members.backends, ())
        self.assertEqual(members.leaving, (one,))
        self.assertEqual(one.state(2.0), State.LEAVING)
        members.drop(one)
        self.assertEqual(members.leaving, (one,))
        one.sessions = 0
        members.drop(one)
        self.assertEqual(members.leaving, ())
        members.drop(one)

    def test_back(self) -> None:
        """An address that comes back is the same backend, sessions and all."""
        members = self.make("web:80", checked=True)
        (one,) = members.update(WEB, at(1), 0.0).added
        one.check_passed(0.0)
        one.begin(1.0)
        members.update(WEB, at(2), 2.0)
        update = members.update(WEB, at(1), 3.0)
        self.assertEqual(update.added, (one,))
        self.assertEqual(one.sessions, 1)
        self.assertTrue(one.unchecked)
        self.assertEqual(members.leaving, ())

    def test_slow_start(self) -> None:
        """New addresses start slowly, but for the first ones."""
        members = self.make("web:80", checked=True, slow_start=10)
        (one,) = members.update(WEB, at(1), 0.0).added
        one.check_passed(0.0)
        (two,) = members.update(WEB, at(1, 2), 5.0).added
        two.check_passed(5.0)
        weights = [b.effective_weight(10.0) for b in members.backends]
        self.assertEqual(weights, [1.0, 0.5])

    def test_weights(self) -> None:
        """New weights and priorities of SRV records are taken."""
        members = self.make("web:80,weight=5")
        spec = members.unresolved[0]
        members.update(spec, [Resolved("10.0.0.1", 80, 7, True)], 0.0)
        (one,) = members.backends
        self.assertEqual((one.weight, one.backup), (7, True))
        members.update(spec, [Resolved("10.0.0.1", 80, 8, False)], 1.0)
        self.assertEqual((one.weight, one.backup), (8, False))
        self.assertEqual(members.usable(1.0), [one])
        members.update(spec, at(1), 2.0)
        self.assertEqual((one.weight, one.backup), (5, False))

    def test_too_many(self) -> None:
        """No more than so many addresses of a name are used: the oldest ones."""
        members = self.make("web:80")
        many = [Resolved("10.0.0.1", port + 1) for port in range(MAX_ADDRESSES + 9)]
        update = members.update(WEB, many, 0.0)
        self.assertEqual(len(update.added), MAX_ADDRESSES)
        self.assertEqual((update.left_out, members.addresses_left_out), (9, 9))
        before = members.backends
        update = members.update(WEB, many[::-1], 1.0)
        self.assertEqual((update.added, update.removed), ((), ()))
        self.assertEqual(set(members.backends), set(before))
        members.update(WEB, many[:2], 2.0)
        self.assertEqual(members.addresses_left_out, 0)
        # Some may have been left out before.
        self.assertEqual(members.update(WEB, [], 3.0, 7).left_out, 7)

    def test_too_many_in_all(self) -> None:
        """No more than so many backends are in a pool, names included."""
        texts = [f"10.0.0.9:{port + 1}" for port in range(MAX_BACKENDS - 2)]
        members = self.make(*texts, "web:80")
        update = members.update(WEB, at(1, 2, 3), 0.0)
        self.assertEqual((len(update.added), update.left_out), (2, 1))
        self.assertEqual(len(members.backends), MAX_BACKENDS)

    @given(st.lists(st.sets(st.integers(1, 9)), max_size=8))
    def test_model(self, answers: list[set[int]]) -> None:
        """After each answer there is one backend for each address in it."""
        members = self.make("web:80", "10.0.0.1:80")
        for now, answer in enumerate(answers):
            before = set(members.backends)
            update = members.update(WEB, at(*sorted(answer)), float(now))
            hosts = sorted(int(b.host[-1]) for b in members.find("web:80"))
            self.assertEqual(hosts, sorted(answer))
            after = set(members.backends)
            self.assertEqual(after - before, set(update.added))
            self.assertEqual(before - after, set(update.removed))


class CommandTests(MembersTestCase):
    """Tests of what the operator can do."""

    def test_find(self) -> None:
        """Backends are found by their own name, and by that of the specification."""
        members = self.make("web:80,name=web", "10.0.0.9:80")
        members.update(members.unresolved[0], at(1, 2), 0.0)
        self.assertEqual(
            self.names(members.find("web")), "web/10.0.0.1:80 web/10.0.0.2:80"
        )
        self.assertEqual(self.names(members.find("web/10.0.0.2:80")), "web/10.0.0.2:80")
        self.assertEqual(self.names(members.find("10.0.0.9:80")), "10.0.0.9:80")
        self.assertEqual(members.find("other"), [])

    def test_unknown(self) -> None:
        """A name that there is not is refused."""
        members = self.make(*ABC)
        for act in (
            lambda: members.set_admin("x", AdminState.DRAIN, 0.0),
            lambda: members.set_weight("x\n", 1),
        ):
            with self.assertRaises(ValueError) as caught:
                act()
            self.assertTrue(str(caught.exception).startswith("there is no backend 'x"))
            self.assertTrue(str(caught.exception).isprintable())

    def test_admin(self) -> None:
        """One is drained, and made ready again."""
        members = self.make(*ABC)
        (drained,) = members.set_admin("b", AdminState.DRAIN, 1.0)
        self.assertEqual(drained.state(1.0), State.DRAIN)
        members.set_admin("b", AdminState.READY, 2.0)
        self.assertEqual(self.names(members.usable(2.0)), "a b c")

    def test_admin_of_name(self) -> None:
        """What is wanted of a name holds for its later addresses too."""
        members = self.make("web:80")
        self.assertEqual(members.set_admin("web:80", AdminState.DRAIN, 0.0), [])
        members.update(WEB, at(1), 1.0)
        self.assertEqual(members.usable(1.0), [])
        members.set_admin("web:80", AdminState.READY, 2.0)
        members.update(WEB, at(1, 2), 3.0)
        self.assertEqual(len(members.usable(3.0)), 2)

    def test_admin_of_address(self) -> None:
        """What is wanted of one address of a name holds for no other."""
        members = self.make("web:80")
        members.update(WEB, at(1, 2), 0.0)
        members.set_admin("web:80/10.0.0.1:80", AdminState.DRAIN, 1.0)
        members.update(WEB, at(1, 2, 3), 2.0)
        self.assertEqual(
            self.names(members.usable(2.0)), "web:80/10.0.0.2:80 web:80/10.0.0.3:80"
        )

    def test_admin_while_leaving(self) -> None:
        """What is wanted of a name holds for an address that comes back."""
        members = self.make("web:80")
        (one,) = members.update(WEB, at(1), 0.0).added
        one.begin(0.0)
        members.update(WEB, [], 1.0)
        members.set_admin("web:80", AdminState.DRAIN, 2.0)
        members.update(WEB, at(1), 3.0)
        self.assertEqual(one.state(3.0), State.DRAIN)

    def test_weight(self) -> None:
        """A weight is changed, to 0 too."""
        members = self.make(*ABC)
        members.set_weight("a", 9)
        members.set_weight("b", 0)
        self.assertEqual([b.weight for b in members.backends], [9, 0, 1])
        self.assertEqual(self.names(members.usable(0.0)), "a c")

    def test_weight_range(self) -> None:
        """A weight that is out of range is refused, and changes nothing."""
        members = self.make("10.0.0.1:80", "web:80")
        for name in ("10.0.0.1:80", "web:80"):
            for weight in (-1, 257):
                with self.assertRaises(ValueError) as caught:
                    members.set_weight(name, weight)
                self.assertEqual(
                    str(caught.exception), f"weight {weight} is out of range: 0 to 256"
                )
        self.assertEqual(members.backends[0].weight, 1)

    def test_weight_of_name(self) -> None:
        """The weight of a name holds against the DNS, that of an address more so."""
        members = self.make("web:80")
        members.set_weight("web:80", 5)
        answer = [Resolved("10.0.0.1", 80, 7), Resolved("10.0.0.2", 80, 7)]
        members.update(WEB, answer, 0.0)
        members.set_weight("web:80/10.0.0.1:80", 3)
        members.update(WEB, answer, 1.0)
        self.assertEqual([b.weight for b in members.backends], [3, 5])
        # What is gone takes its own weight along.
        members.update(WEB, [], 2.0)
        members.update(WEB, answer, 3.0)
        self.assertEqual([b.weight for b in members.backends], [5, 5])


class ChangeTests(MembersTestCase):
    """Tests of other specifications for members that are in use."""

    def change(self, members: Members, *texts: str, **rules: Any) -> Update:
        """Take other specifications."""
        specs = [parse_backend(text) for text in texts]
        return members.change(
            specs, HealthRules(**{"checked": False, **rules}), 0.5, 9.0
        )

    def test_same(self) -> None:
        """What is the same stays, in the new order."""
        members = self.make(*ABC)
        before = members.backends
        update = self.change(members, *ABC[::-1])
        self.assertEqual((update.added, update.removed), ((), ()))
        self.assertEqual(members.backends, before[::-1])

    def test_other_description(self) -> None:
        """Another weight, limit or name is taken by the same backend."""
        members = self.make(*ABC[:2])
        first = members.backends[0]
        first.sessions = 3
        self.change(members, "10.0.0.1:80,name=x,weight=7,max=9,backup", ABC[1])
        self.assertIs(members.backends[0], first)
        self.assertEqual((first.name, first.weight, first.max_connections), ("x", 7, 9))
        self.assertTrue(first.backup)
        self.assertEqual(self.names(members.usable(9.0)), "b")

    def test_added_and_removed(self) -> None:
        """One that goes keeps its sessions; the last of them takes it away. One that
        comes beside others starts slowly."""
        members = self.make(*ABC[:2], slow_start=10)
        gone, idle = members.backends
        gone.sessions = 1
        update = self.change(members, ABC[2], slow_start=10)
        self.assertEqual(self.names(update.added), "c")
        self.assertEqual(update.removed, (gone, idle))
        self.assertEqual(self.forgotten, [gone, idle])
        self.assertEqual(members.leaving, (gone,))
        self.assertEqual(self.names(members.usable(9.0)), "c")
        gone.sessions = 0
        members.drop(gone)
        self.assertEqual(members.leaving, ())

    def test_back(self) -> None:
        """One that comes back while it has sessions is the same one."""
        members = self.make(*ABC[:2])
        gone = members.backends[0]
        gone.sessions = 1
        self.change(members, ABC[1])
        self.change(members, ABC[1], "10.0.0.1:80,name=a,weight=3")
        self.assertEqual(members.backends[1:], (gone,))
        self.assertEqual((gone.leaving, gone.weight, members.leaving), (False, 3, ()))

    def test_other_way(self) -> None:
        """One to which one speaks otherwise is another backend."""
        members = self.make(ABC[0])
        old = members.backends[0]
        old.sessions = 1
        update = self.change(members, ABC[0] + ",tls")
        self.assertEqual(update.removed, (old,))
        self.assertEqual(members.leaving, (old,))
        again = self.change(members, ABC[0])
        self.assertEqual(again.added, (old,))

    def test_operator(self) -> None:
        """What the operator wants stays; a weight only while the text is the same."""
        members = self.make(*ABC[:2])
        members.set_admin("a", AdminState.DRAIN, 0.0)
        members.set_weight("a", 50)
        members.set_weight("b", 60)
        self.change(members, ABC[0] + ",weight=2", ABC[1])
        a, b = members.backends
        self.assertEqual((a.admin, a.weight, b.weight), (AdminState.DRAIN, 2, 60))
        members.set_admin("b", AdminState.MAINT, 0.0)
        self.change(members, ABC[0])
        self.change(members, *ABC[:2])
        self.assertIs(members.backends[1].admin, AdminState.READY)

    def test_names(self) -> None:
        """The addresses of a name stay when it is described otherwise, and go with
        it."""
        members = self.make("web:80", "srv:_x._tcp.y")
        members.update(WEB, at(1, 2), 0.0)
        srv = parse_backend("srv:_x._tcp.y")
        members.update(srv, [Resolved("10.0.0.9", 80, 5)], 0.0)
        before = members.backends
        self.change(members, "web:80,name=w,weight=4", "srv:_x._tcp.y,name=s")
        self.assertEqual(members.backends, before)
        self.assertEqual(
            [(backend.name, backend.weight) for backend in before],
            [("w/10.0.0.1:80", 4), ("w/10.0.0.2:80", 4), ("s/10.0.0.9:80", 5)],
        )
        update = self.change(members, ABC[0], "other:80")
        self.assertEqual(update.removed, before)
        self.assertEqual([spec.host for spec in members.unresolved], ["other"])

    def test_rules(self) -> None:
        """Without checks everybody is up; with them, who was up stays up."""
        members = self.make(ABC[0], checked=True)
        (backend,) = members.backends
        self.assertFalse(backend.health.up)
        self.change(members, ABC[0])
        self.assertTrue(backend.health.up)
        self.change(members, ABC[0], checked=True, fall=1)
        self.assertTrue(backend.health.up)
        self.assertTrue(backend.check_failed(9.0))
