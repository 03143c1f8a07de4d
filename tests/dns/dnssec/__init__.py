"""Tests of L{netsvc.dns.dnssec}."""
