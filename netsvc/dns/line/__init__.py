"""Lookups typed as lines of text, over telnet or nc."""
