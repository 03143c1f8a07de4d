"""
Record data as text, of every type, by dnspython.

dnspython is loaded when a type is met that L{netsvc.dns.rdata} does not know.
"""

from __future__ import annotations

from netsvc.dns.rdata import common_text, generic_text
from netsvc.dns.result import Record


def rdata_text(record: Record) -> str:
    """
    Write a record's data as in a zone file (RFC 1035 section 5.1, RFC 3597).

    Data that does not have its type's form is written in RFC 3597's. All but
    printable ASCII is escaped: the text can go to a terminal as it is.
    """
    text = common_text(record.rtype, record.rdata)
    if text is not None:
        return text
    import dns.exception
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    try:
        rdata = dns.rdata.from_wire(
            dns.rdataclass.RdataClass.make(record.rclass),
            dns.rdatatype.RdataType.make(record.rtype),
            record.rdata,
            0,
            len(record.rdata),
        )
        text = rdata.to_text().rstrip()
    except (dns.exception.DNSException, ValueError, LookupError):
        return generic_text(record.rdata)
    return text if text.isascii() and text.isprintable() else generic_text(record.rdata)
