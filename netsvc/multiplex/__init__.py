"""
Event multiplexing: one epoll set inside any Twisted reactor.

    - L{multiplexed}: the multiplexer of a reactor, to be used in its place.
    - L{MultiplexServerEndpoint}, L{MultiplexClientEndpoint}: endpoints; C{mux:}
      in endpoint strings.
    - L{forward}, L{join}: connect transports with each other, without a protocol
      in between.
    - L{fan_out}: the same bytes to many connections.
    - L{pending}: the bytes that a transport still holds.
"""

from netsvc.multiplex.broadcast import fan_out
from netsvc.multiplex.endpoints import MultiplexClientEndpoint, MultiplexServerEndpoint
from netsvc.multiplex.flow import Flow, forward, join, pending
from netsvc.multiplex.reactor import Multiplexer, multiplexed

__all__ = [
    "Flow",
    "MultiplexClientEndpoint",
    "MultiplexServerEndpoint",
    "Multiplexer",
    "fan_out",
    "forward",
    "join",
    "multiplexed",
    "pending",
]
