"""Tests of L{netsvc.cli}."""
