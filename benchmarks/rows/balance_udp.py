"""Small datagrams through a proxy."""

from __future__ import annotations

from benchmarks import proxies
from benchmarks.peers import NGINX
from benchmarks.row import Row, Target
from benchmarks.rows import udp
from benchmarks.rows.balance_pingpong import USUAL

ROW = Row(
    name="balance-udp",
    title="proxied 64 B UDP ping-pong, 50 sockets",
    peers=proxies.UDP,
    sample=udp.sample,
    measures=udp.ROW.measures,
    targets=(Target(1.5, NGINX),),
    kind="udp",
    behind="udp",
    usual=USUAL,
)
