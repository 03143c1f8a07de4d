"""Tests of L{netsvc.chat.line}."""
