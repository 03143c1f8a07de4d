"""The UDP relay: a hub frontend for datagrams, STUN, and introductions."""
