"""
The C{netsvc lookup} command: what it reads, asks, compares and writes.

Pure: L{netsvc.dns.lookups.words} (what people type), L{netsvc.dns.lookups.request},
L{netsvc.dns.lookups.comparison} (verdicts), L{netsvc.dns.lookups.lines} (bulk input),
L{netsvc.dns.lookups.checkpoint}, L{netsvc.dns.lookups.pace}. With dnspython and
Twisted: the output forms, and L{netsvc.dns.lookups.main}, which runs it all.
"""
