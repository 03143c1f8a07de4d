"""Codes of the DNS header and of EDNS, and their names (IANA's registries)."""

from __future__ import annotations

#: Response codes (RFC 6895 section 2.3), by name.
RCODE = {
    "NOERROR": 0,
    "FORMERR": 1,
    "SERVFAIL": 2,
    "NXDOMAIN": 3,
    "NOTIMP": 4,
    "REFUSED": 5,
    "YXDOMAIN": 6,
    "YXRRSET": 7,
    "NXRRSET": 8,
    "NOTAUTH": 9,
    "NOTZONE": 10,
    "DSOTYPENI": 11,
    "BADVERS": 16,
    "BADKEY": 17,
    "BADTIME": 18,
    "BADMODE": 19,
    "BADNAME": 20,
    "BADALG": 21,
    "BADTRUNC": 22,
    "BADCOOKIE": 23,
}

NOERROR = RCODE["NOERROR"]
FORMERR = RCODE["FORMERR"]
SERVFAIL = RCODE["SERVFAIL"]
NXDOMAIN = RCODE["NXDOMAIN"]
NOTIMP = RCODE["NOTIMP"]
REFUSED = RCODE["REFUSED"]
YXDOMAIN = RCODE["YXDOMAIN"]
BADVERS = RCODE["BADVERS"]
BADCOOKIE = RCODE["BADCOOKIE"]

_RCODE_NAMES = {code: name for name, code in RCODE.items()}

#: The codes that are an answer (RFC 1035 section 4.1.1; YXDOMAIN: RFC 6672).
ANSWERS = frozenset({NOERROR, NXDOMAIN, YXDOMAIN})

#: The codes that a reply without a question may have: see dns.md, rule 4.
BARE = frozenset({FORMERR, SERVFAIL, NOTIMP, REFUSED})

# Bits of the header's second word (RFC 1035 section 4.1.1, RFC 4035 section 3.2).
QR = 0x8000
OPCODE = 0x7800
AA = 0x0400
TC = 0x0200
RD = 0x0100
RA = 0x0080
AD = 0x0020
CD = 0x0010

#: The bit of the OPT record that asks for DNSSEC records (RFC 3225).
DO = 0x8000

# Codes of EDNS options.
NSID = 3
SUBNET = 8
COOKIE = 10
KEEPALIVE = 11
PADDING = 12
EDE = 15

#: Extended errors (RFC 8914 and the registry), by code.
EDE_NAMES = {
    0: "Other",
    1: "Unsupported DNSKEY Algorithm",
    2: "Unsupported DS Digest Type",
    3: "Stale Answer",
    4: "Forged Answer",
    5: "DNSSEC Indeterminate",
    6: "DNSSEC Bogus",
    7: "Signature Expired",
    8: "Signature Not Yet Valid",
    9: "DNSKEY Missing",
    10: "RRSIGs Missing",
    11: "No Zone Key Bit Set",
    12: "NSEC Missing",
    13: "Cached Error",
    14: "Not Ready",
    15: "Blocked",
    16: "Censored",
    17: "Filtered",
    18: "Prohibited",
    19: "Stale NXDOMAIN Answer",
    20: "Not Authoritative",
    21: "Not Supported",
    22: "No Reachable Authority",
    23: "Network Error",
    24: "Invalid Data",
    25: "Signature Expired before Valid",
    26: "Too Early",
    27: "Unsupported NSEC3 Iterations Value",
    28: "Unable to conform to policy",
    29: "Synthesized",
    30: "Invalid Query Type",
    31: "Rate Limited",
    32: "Over Quota",
}


def rcode_name(code: int) -> str:
    """Give a response code's name; C{RCODE<n>} for one that has none."""
    return _RCODE_NAMES.get(code) or f"RCODE{code}"


def ede_name(code: int) -> str:
    """Give an extended error's name; C{EDE<n>} for one that has none."""
    return EDE_NAMES.get(code) or f"EDE{code}"
