"""Tests of L{netsvc.balance}."""
