"""
Trust anchors: what is believed from the start (RFC 4033 section 2).

The root's key signing keys come with netsvc, as IANA publishes them (RFC 9718):
U{https://data.iana.org/root-anchors/root-anchors.xml}. Others are given as DS or
DNSKEY records in the form of zone files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, cast

from dns import zonefile
from dns.exception import DNSException
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from netsvc.dns.dnssec.algorithms import make_key, usable_ds
from netsvc.dns.dnssec.limits import Limits

#: The root's keys: C{validFrom} and the DS record of root-anchors.xml, read in
#: 2026-11 and compared with Debian's dns-root-data, whose DNSKEY records have these
#: digests. Neither has a C{validUntil}.
ROOT_KEYS: Final = (
    # KSK-2017, signs the root zone since 2018-10-11.
    (
        "2017-02-02",
        ". IN DS 20326 8 2"
        " E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ),
    # KSK-2024, in the root zone since 2025-01-11.
    (
        "2024-07-18",
        ". IN DS 38696 8 2"
        " 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
    ),
)


class AnchorError(ValueError):
    """A text is no trust anchor, or one that nothing can be validated with."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What is believed of one zone's keys: one of these must sign them."""

    zone: Name
    ds: tuple[DS, ...]
    keys: tuple[DNSKEY, ...]


class Anchors:
    """The trust anchors, by zone."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        """
        @param anchors: at most one for each zone.
        """
        self._by_zone = {anchor.zone: anchor for anchor in anchors}

    def __iter__(self) -> Iterator[Anchor]:
        """Give each anchor."""
        return iter(self._by_zone.values())

    def closest(self, name: Name) -> Anchor | None:
        """Find the anchor of the zone nearest above a name, or of that name's own.

        @return: L{None} if no anchor covers the name.
        """
        while True:
            found = self._by_zone.get(name)
            if found is not None or len(name.labels) == 1:
                return found
            name = name.parent()


def parse_anchors(text: str) -> Anchors:
    """Read trust anchors.

    @param text: DS and DNSKEY records as in a zone file, names absolute, C{;} for
        comments. Class and TTL may be left out.
    @raise AnchorError: there is anything else in it, or a zone's records are all of
        algorithms that are not supported.
    """
    try:
        rrsets = zonefile.read_rrsets(text, rdclass=None, default_ttl=0)
    except (DNSException, ValueError) as error:
        raise AnchorError(f"no trust anchor: {error}") from None
    ds: dict[Name, list[DS]] = {}
    keys: dict[Name, list[DNSKEY]] = {}
    for rrset in rrsets:
        if rrset.rdtype == RdataType.DS:
            ds.setdefault(rrset.name, []).extend(cast("list[DS]", list(rrset)))
        elif rrset.rdtype == RdataType.DNSKEY:
            keys.setdefault(rrset.name, []).extend(cast("list[DNSKEY]", list(rrset)))
        else:
            what = RdataType.to_text(rrset.rdtype)
            raise AnchorError(f"no trust anchor: a record of type {what}")
    if not rrsets:
        raise AnchorError("no trust anchor: there is no record")
    return Anchors(
        _anchor(zone, ds.get(zone, []), keys.get(zone, [])) for zone in {**ds, **keys}
    )


def _anchor(zone: Name, ds: list[DS], keys: list[DNSKEY]) -> Anchor:
    """Keep the records that can be used, of which there must be one."""
    limits = Limits()
    usable = tuple(key for key in keys if make_key(key, limits) is not None)
    anchor = Anchor(zone, tuple(usable_ds(ds)), usable)
    if not anchor.ds and not anchor.keys:
        raise AnchorError(f"no usable trust anchor for {zone}: unsupported algorithms")
    return anchor


@cache
def root_anchors() -> Anchors:
    """Give the anchors that come with netsvc: the root's."""
    return parse_anchors("\n".join(record for _, record in ROOT_KEYS))
