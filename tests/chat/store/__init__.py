"""Tests of L{netsvc.chat.store}."""
