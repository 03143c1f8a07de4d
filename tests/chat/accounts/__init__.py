"""Tests of L{netsvc.chat.accounts}."""
