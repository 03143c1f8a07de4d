"""Tests of L{netsvc.echo}."""
