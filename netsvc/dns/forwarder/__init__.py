"""The forwarder: DNS queries in, over UDP, TCP, TLS and HTTPS; answers from a cache."""
