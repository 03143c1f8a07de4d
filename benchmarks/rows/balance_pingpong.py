"""Small messages through a proxy."""

from __future__ import annotations

from benchmarks import proxies
from benchmarks.peers import HAPROXY, NETSVC, NGINX, PORTFORWARD
from benchmarks.row import Row, Target, work_measures
from benchmarks.rows import pingpong

#: The proxies' rows are repeated less often by default, as there are many.
USUAL = 3

ROW = Row(
    name="balance-pingpong",
    title="proxied 64 B ping-pong, 50 connections",
    peers=proxies.tcp(NETSVC, HAPROXY, NGINX, PORTFORWARD),
    sample=pingpong.sample,
    measures=work_measures("message"),
    targets=(Target(1.5, HAPROXY),),
    behind="tcp",
    usual=USUAL,
)
