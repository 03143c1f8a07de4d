"""Short connections through a proxy."""

from __future__ import annotations

from benchmarks import proxies
from benchmarks.peers import HAPROXY, NETSVC, NGINX, PORTFORWARD
from benchmarks.row import Row, Target, work_measures
from benchmarks.rows import churn
from benchmarks.rows.balance_pingpong import USUAL

ROW = Row(
    name="balance-churn",
    title="proxied connect, one 64 B echo, close",
    peers=proxies.tcp(NETSVC, HAPROXY, NGINX, PORTFORWARD),
    sample=churn.sample,
    measures=work_measures("connection", digits=1),
    targets=(Target(2.0, HAPROXY), Target(0.5, PORTFORWARD)),
    behind="tcp",
    usual=USUAL,
)
