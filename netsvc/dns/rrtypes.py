"""Record types and classes: their numbers, and their names in both directions."""

from __future__ import annotations

import re

from netsvc.dns.errors import InvalidName

#: Record types by name (IANA's registry).
TYPES = {
    "A": 1,
    "NS": 2,
    "MD": 3,
    "MF": 4,
    "CNAME": 5,
    "SOA": 6,
    "MB": 7,
    "MG": 8,
    "MR": 9,
    "NULL": 10,
    "WKS": 11,
    "PTR": 12,
    "HINFO": 13,
    "MINFO": 14,
    "MX": 15,
    "TXT": 16,
    "RP": 17,
    "AFSDB": 18,
    "X25": 19,
    "ISDN": 20,
    "RT": 21,
    "NSAP": 22,
    "NSAP-PTR": 23,
    "SIG": 24,
    "KEY": 25,
    "PX": 26,
    "GPOS": 27,
    "AAAA": 28,
    "LOC": 29,
    "NXT": 30,
    "SRV": 33,
    "NAPTR": 35,
    "KX": 36,
    "CERT": 37,
    "DNAME": 39,
    "OPT": 41,
    "APL": 42,
    "DS": 43,
    "SSHFP": 44,
    "IPSECKEY": 45,
    "RRSIG": 46,
    "NSEC": 47,
    "DNSKEY": 48,
    "DHCID": 49,
    "NSEC3": 50,
    "NSEC3PARAM": 51,
    "TLSA": 52,
    "SMIMEA": 53,
    "HIP": 55,
    "CDS": 59,
    "CDNSKEY": 60,
    "OPENPGPKEY": 61,
    "CSYNC": 62,
    "ZONEMD": 63,
    "SVCB": 64,
    "HTTPS": 65,
    "SPF": 99,
    "NID": 104,
    "L32": 105,
    "L64": 106,
    "LP": 107,
    "EUI48": 108,
    "EUI64": 109,
    "TKEY": 249,
    "TSIG": 250,
    "IXFR": 251,
    "AXFR": 252,
    "MAILB": 253,
    "MAILA": 254,
    "ANY": 255,
    "URI": 256,
    "CAA": 257,
    "AVC": 258,
    "AMTRELAY": 260,
    "RESINFO": 261,
    "WALLET": 262,
    "TA": 32768,
    "DLV": 32769,
}

A = TYPES["A"]
NS = TYPES["NS"]
CNAME = TYPES["CNAME"]
SOA = TYPES["SOA"]
PTR = TYPES["PTR"]
MX = TYPES["MX"]
TXT = TYPES["TXT"]
AAAA = TYPES["AAAA"]
SRV = TYPES["SRV"]
NAPTR = TYPES["NAPTR"]
DNAME = TYPES["DNAME"]
OPT = TYPES["OPT"]
DS = TYPES["DS"]
RRSIG = TYPES["RRSIG"]
NSEC = TYPES["NSEC"]
DNSKEY = TYPES["DNSKEY"]
NSEC3 = TYPES["NSEC3"]
NSEC3PARAM = TYPES["NSEC3PARAM"]
SVCB = TYPES["SVCB"]
HTTPS = TYPES["HTTPS"]
IXFR = TYPES["IXFR"]
AXFR = TYPES["AXFR"]
ANY = TYPES["ANY"]

#: Classes by name (RFC 6895 section 3.2).
CLASSES = {"IN": 1, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}

IN = CLASSES["IN"]
CH = CLASSES["CH"]

_TYPE_NAMES = {number: name for name, number in TYPES.items()}
_CLASS_NAMES = {number: name for name, number in CLASSES.items()}

# RFC 3597 section 5.
_UNKNOWN = re.compile(r"(TYPE|CLASS)([0-9]{1,5})", re.ASCII)


def type_name(number: int) -> str:
    """Give a type's name; C{TYPE<n>} for one that has none (RFC 3597)."""
    return _TYPE_NAMES.get(number) or f"TYPE{number}"


def class_name(number: int) -> str:
    """Give a class's name; C{CLASS<n>} for one that has none (RFC 3597)."""
    return _CLASS_NAMES.get(number) or f"CLASS{number}"


def parse_type(text: str) -> int:
    """
    Read a record type: a name in any case, or C{TYPE<n>}.

    @raise InvalidName: It is none.
    """
    return _parse("TYPE", TYPES, text)


def parse_class(text: str) -> int:
    """
    Read a class: a name in any case, or C{CLASS<n>}.

    @raise InvalidName: It is none.
    """
    return _parse("CLASS", CLASSES, text)


def _parse(prefix: str, table: dict[str, int], text: str) -> int:
    upper = text.upper()
    if upper in table:
        return table[upper]
    match = _UNKNOWN.fullmatch(upper)
    if match and match[1] == prefix and int(match[2]) <= 0xFFFF:
        return int(match[2])
    raise InvalidName(f"{text!r} is no record {prefix.lower()}")
