"""Tests of L{netsvc.dns}."""
