"""Tests of netsvc.relay."""
