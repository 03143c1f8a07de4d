"""Tests of L{netsvc.daemon.admin}."""
