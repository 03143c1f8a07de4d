"""Tests of netsvc.relay.client."""
