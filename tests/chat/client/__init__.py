"""Tests of netsvc.chat.client."""
