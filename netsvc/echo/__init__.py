"""RFC 862 echo over TCP, UDP and TLS; the journal; the probe."""
