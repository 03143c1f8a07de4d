"""
DNSSEC: is an answer what its zone has signed? (RFC 4033 to 4035, RFC 5155)

The way in is L{netsvc.dns.dnssec.validator}. It asks for the keys and delegations it
needs through a function that it is given, so it does no I/O, and takes the time from
a clock that it is given. Signatures are verified with dnspython and cryptography.

    - L{netsvc.dns.dnssec.anchors}: what is trusted from the start;
    - L{netsvc.dns.dnssec.chain}: from an anchor to a zone's keys;
    - L{netsvc.dns.dnssec.signatures}: one RRset and its signatures;
    - L{netsvc.dns.dnssec.nsec}, L{netsvc.dns.dnssec.nsec3}: proofs that something
      does not exist, gathered by L{netsvc.dns.dnssec.denial};
    - L{netsvc.dns.dnssec.limits}: how much work an answer may cost;
    - L{netsvc.dns.dnssec.status}: the verdict.
"""
