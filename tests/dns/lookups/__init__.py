"""Tests of netsvc.dns.lookups."""
