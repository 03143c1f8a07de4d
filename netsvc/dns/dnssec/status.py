"""What validation finds out about an answer: the verdict, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from netsvc.dns.result import Security


class EDE(IntEnum):
    """Extended DNS errors that say why (RFC 8914, RFC 9276)."""

    UNSUPPORTED_ALGORITHM = 1
    UNSUPPORTED_DIGEST = 2
    INDETERMINATE = 5
    BOGUS = 6
    EXPIRED = 7
    NOT_YET_VALID = 8
    DNSKEY_MISSING = 9
    RRSIGS_MISSING = 10
    NO_ZONE_KEY_BIT = 11
    NSEC_MISSING = 12
    NO_REACHABLE_AUTHORITY = 22
    EXPIRED_BEFORE_VALID = 25
    NSEC3_ITERATIONS = 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What validation has found out about one answer."""

    #: The status.
    security: Security
    #: Why, in a line for people. Names in it are escaped as in zone files.
    reason: str
    #: The extended error that says so on the wire; L{None} if nothing is wrong.
    ede: EDE | None = None
    #: For how many seconds the status holds at most, by the TTLs that are signed and
    #: by when the signatures expire (RFC 4035 section 5.3.3); L{None} unless secure.
    ttl: int | None = None
    #: The RRsets of the answer section that were found secure: owner in wire form and
    #: lower case, and type. A CNAME that a secure DNAME makes is one of them. Whoever
    #: reads the message in another way than the validator does can compare.
    rrsets: frozenset[tuple[bytes, int]] = frozenset()
    #: The response code that is proven, where it is not that of the header: an empty
    #: non-terminal is no NXDOMAIN, though old servers say so.
    rcode: int | None = None
    #: Whether any trust anchor covers the name that was asked for.
    anchored: bool = True

    @property
    def usable(self) -> bool:
        """Whether to believe the answer at all.

        False when it is bogus, and also when an anchor covers it and nothing could be
        found out: who can hold back a key must not thereby have his forgery believed.
        """
        if self.security is Security.INDETERMINATE:
            return not self.anchored
        return self.security is not Security.BOGUS


class FetchError(Exception):
    """What the fetch function raises when no server gives an answer at all."""


class Undecided(Exception):  # noqa: N818 -- it is a state, and the base of two
    """An answer is not known to be secure, and not proven to be insecure.

    @ivar ede: the extended error that says why.
    """

    security = Security.INDETERMINATE

    def __init__(self, reason: str, ede: EDE) -> None:
        """
        @param reason: a line for people.
        @param ede: the extended error.
        """
        super().__init__(reason)
        self.ede = ede


class Bogus(Undecided):
    """An answer is bogus: something that must be there is missing or wrong."""

    security = Security.BOGUS


class WorkExceeded(Bogus):
    """An answer costs more work than an honest one does (KeyTrap, CVE-2023-50387)."""

    def __init__(self, what: str) -> None:
        """
        @param what: what there is too much of, with the limit.
        """
        super().__init__(f"too much work: more than {what}", EDE.BOGUS)
