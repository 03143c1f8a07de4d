"""Tests of L{netsvc.multiplex}."""
