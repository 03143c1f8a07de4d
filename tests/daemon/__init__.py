"""Tests of L{netsvc.daemon}."""
