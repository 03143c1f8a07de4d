"""Tests of L{netsvc.dns.line}."""
