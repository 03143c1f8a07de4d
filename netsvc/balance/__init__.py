"""One entrance for several computers: a balancer for TCP and UDP."""
