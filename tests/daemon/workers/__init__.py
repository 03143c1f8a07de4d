"""Tests of L{netsvc.daemon.workers}."""
