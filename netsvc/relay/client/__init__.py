"""The datagram side of C{netsvc chat}: the session with a relay, and direct paths."""
