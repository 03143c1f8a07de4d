"""Tests of L{netsvc.dns.dnssec.anchors}."""

from __future__ import annotations

import hashlib
from datetime import date

from dns.name import root
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.dnssec.anchors import (
    ROOT_KEYS,
    AnchorError,
    parse_anchors,
    root_anchors,
)
from tests.dns.dnssec.case import Case
from tests.dns.dnssec.zones import Signer, make_ds, name

#: The root's key signing keys, KSK-2017 and KSK-2024, as Debian's dns-root-data
#: 2024071801 has them.
DNSKEYS = """\
. IN DNSKEY 257 3 8 AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4\
RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n\
9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+\
eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXG\
Xws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=
. IN DNSKEY 257 3 8 AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidl\
tpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCz\
VBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPq\
pdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevY\
txPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc=
"""


class RootTests(SynchronousTestCase):
    """The root's keys that come with netsvc."""

    def test_keys(self) -> None:
        """They are KSK-2017 and KSK-2024, of the dates that IANA gives."""
        (anchor,) = root_anchors()
        self.assertEqual(anchor.zone, root)
        self.assertEqual([ds.key_tag for ds in anchor.ds], [20326, 38696])
        dates = [date.fromisoformat(day) for day, _ in ROOT_KEYS]
        self.assertEqual(dates, [date(2017, 2, 2), date(2024, 7, 18)])

    def test_digests(self) -> None:
        """Their digests are those of the keys that the root publishes."""
        (shipped,) = root_anchors()
        (published,) = parse_anchors(DNSKEYS)
        digests = {
            key.key_id(): hashlib.sha256(b"\0" + key.to_digestable()).digest()
            for key in published.keys
        }
        self.assertEqual({ds.key_tag: ds.digest for ds in shipped.ds}, digests)


class ParseTests(SynchronousTestCase):
    """Tests of L{parse_anchors}."""

    def test_records(self) -> None:
        """DS and DNSKEY records of several zones are read, with comments."""
        key = Signer("x").record
        ds = make_ds(name("a.test"), key)
        text = f"; mine\na.test. 3600 IN DS {ds} ; a\nb.test. DNSKEY {key}\n"
        anchors = parse_anchors(text)
        self.assertEqual(
            {str(anchor.zone): (anchor.ds, anchor.keys) for anchor in anchors},
            {"a.test.": ((ds,), ()), "b.test.": ((), (key,))},
        )

    def test_closest(self) -> None:
        """The anchor nearest above a name is its."""
        key = Signer("x").record
        anchors = parse_anchors(f"test. DNSKEY {key}\nb.test. DNSKEY {key}")
        for where, zone in (
            ("test", "test."),
            ("a.test", "test."),
            ("b.test", "b.test."),
            ("a.B.Test", "b.test."),
        ):
            found = anchors.closest(name(where))
            assert found is not None
            self.assertEqual(str(found.zone), zone)
        self.assertIsNone(anchors.closest(root))
        self.assertIsNone(anchors.closest(name("example")))

    def test_errors(self) -> None:
        """What is no trust anchor, or none of use, is refused in one line."""
        unknown = "1 200 2 " + "00" * 32
        revoked = Signer("x", flags=0x181).record
        for text in (
            "",
            "; nothing",
            "nonsense",
            "a.test. A 192.0.2.1",
            "a.test. DS x y",
            "a.test. DS 1 8 2 00",
            "a.test. CH DS 1 8 2 " + "00" * 32,
            "a.test. DNSKEY 257 3 8 !!!",
            "$INCLUDE /etc/passwd",
            "$GENERATE 1-9999999 a$ DS 1 8 2 " + "00" * 32,
            f"a.test. DS {unknown}",
            f"a.test. DNSKEY {revoked}",
        ):
            error = self.assertRaises(AnchorError, parse_anchors, text)
            self.assertNotIn("\n", str(error))


class KeyAnchorTests(Case):
    """Anchors that are keys."""

    def test_key(self) -> None:
        """A DNSKEY record is as good an anchor as a DS record."""
        key = self.root.signers[0].record
        self.validator = self.make_validator(parse_anchors(f". DNSKEY {key}"))
        self.secure("www.nsec.test")
