"""Tests of L{netsvc.dns.forwarder}."""
