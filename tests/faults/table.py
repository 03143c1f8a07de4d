"""Which faults there are, and which tests show what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_HERE: Final = "tests.integration."


@dataclass(frozen=True)
class Row:
    """
    A fault or an attack.

    @ivar number: Its number.
    @ivar fault: What it is.
    @ivar target: What must hold.
    @ivar tests: The tests, as dotted names.
    @ivar quick: Whether it is among those that run with every change.
    """

    number: int
    fault: str
    target: str
    tests: tuple[str, ...]
    quick: bool = False


def _row(number: int, fault: str, target: str, *tests: str, quick: bool = False) -> Row:
    """Make a row; tests are named without the package of the integration tests."""
    named = tuple(t if t.startswith("tests.") else _HERE + t for t in tests)
    return Row(number, fault, target, named, quick)


def _quick(number: int, fault: str, target: str, *tests: str) -> Row:
    return _row(number, fault, target, *tests, quick=True)


_ECHO: Final = "test_echo_overload."
_SOAK: Final = "tests.faults.soak."

ROWS: Final = (
    _row(
        1, "10,000 idle TCP connections", "at most 2.0 KiB each, idle CPU below 1 %",
        _ECHO + "IdleTests.test_memory",
    ),
    _row(
        2, "5,000 idle TLS connections",
        "at most 27 KiB each; opened and closed again: no growth",
        _SOAK + "SecureIdleTests.test_memory",
    ),
    _quick(
        3, "a writer that never reads", "memory grows by at most 2 MiB",
        _ECHO + "StallTests.test_writer_that_never_reads",
        _SOAK + "ChatStallTests.test_chat",
        _SOAK + "StallTests.test_balance",
        _SOAK + "StallTests.test_dns",
    ),
    _quick(
        4, "a chat reader that does not read, among 22",
        "the others lose nothing; it is cut at its queue's limit",
        "test_chat_reliability.SlowReaderTests.test_cut",
    ),
    _quick(
        5, "a connection that is closed while its peer takes nothing",
        "freed within its closing time and a second",
        _ECHO + "StallTests.test_close_with_unread_data",
    ),
    _row(
        6, "1,000 TLS handshakes that are silent or half done",
        "all cut in time; honest ones below 500 ms meanwhile",
        _ECHO + "HandshakeTests.test_silent_and_partial",
    ),
    _row(
        7, "a byte now and then, to keep a connection for ever",
        "a deadline in all, not since the last byte",
        "test_chat_hostile.StrangerTests.test_slow_registration",
        _SOAK + "SlowTests.test_balance",
        _SOAK + "SlowTests.test_dns",
    ),
    _quick(
        8, "no descriptors left",
        "none hangs, those served go on, at most one log line a second",
        _ECHO + "DescriptorTests.test_limit_is_lowered",
        "test_admin.DescriptorTests.test_flood",
    ),
    _quick(
        9, "2,000 connections after a stall of 300 ms",
        "all are served, none by its kernel's second try",
        _ECHO + "BurstTests.test_after_a_stall",
    ),
    _row(
        10, "one source floods with 5,000 connections",
        "another one is served all the time",
        _ECHO + "BurstTests.test_one_source_floods",
    ),
    _quick(
        11, "a forged datagram between two services", "at most one is answered",
        "test_echo_udp_safety.LoopTests.test_itself",
        "test_relay_safety.SpoofTests.test_loop",
    ),
    _row(
        12, "forged questions over UDP",
        "no more bytes out than in, or within the named factor",
        _SOAK + "AmplificationTests.test_echo",
        "test_relay_safety.SpoofTests.test_credit",
        "test_relay_safety.SpoofTests.test_cookie",
    ),
    _row(
        13, "100,000 random datagrams", "alive, no traceback, memory as it was",
        "test_echo_udp_safety.RandomTests.test_flood",
        "test_relay_safety.FloodTests.test_random",
    ),
    _row(
        14, "random bytes to every parser", "only the documented errors",
        "tests.fuzz.test_corpus.CorpusTests.test_replay",
        "tests.fuzz.test_corpus.CorpusTests.test_changed",
    ),
    _quick(
        15, "millions of empty lines", "others are heard meanwhile",
        "test_chat_hostile.StrangerTests.test_empty_lines",
    ),
    _quick(
        16, "text that would forge or hide lines of the log",
        "an event is a line, without control characters",
        "tests.daemon.test_logs.TextTests.test_one_line",
        "tests.daemon.test_logs.JSONTests.test_any_text",
    ),
    _quick(
        17, "10,000 forged DNS answers", "none is believed",
        "test_dns_servers.ForgeryTests.test_forged",
    ),
    _quick(
        18, "SIGTERM with 10 exchanges and 10 flows of 20 MB in flight",
        "all are completed, status 0",
        "test_echo_stop.DrainTests.test_sigterm",
    ),
    _quick(
        19, "20 reloads while 200 connections come a second; backends exchanged",
        "none is refused or dropped, nobody in the chat notices",
        "test_reload.LoadTests.test_nobody_notices",
        "test_reload.RefuseTests.test_of_a_service",
        "test_reload_balance.BackendTests.test_swap",
    ),
    _quick(
        20, "backends that are killed, frozen or cut off",
        "found out within 2 s, no failure after that",
        "test_balance_faults.StreamFaultTests.test_killed_and_frozen",
        "test_balance_faults.StreamFaultTests.test_black_hole",
    ),
    _quick(
        21, "SIGKILL while people talk",
        "nothing that was seen is lost; soon ready again",
        "test_chat_reliability.KillTests.test_kill",
    ),
    _quick(
        22, "a full disk", "traffic goes on, errors are counted",
        "test_echo_faults.FullDiskTests.test_drop",
    ),
    _quick(
        23, "a start that cannot work",
        "status 1 within a second, one line, no traceback",
        "test_echo_faults.StartTests.test_quickly",
        "test_echo_faults.StartTests.test_port_in_use",
        "test_echo_faults.StartTests.test_bad_key",
    ),
    _quick(
        24, "status pages asked slowly, wrongly, under a foreign name, or not read",
        "ended in time, others are answered; at most 256 KiB wait for a reader",
        "test_admin_slow.SlowReaderTests.test_cut",
        "test_admin.PageTests.test_hostile",
        "test_admin.PageTests.test_curl",
    ),
    _quick(
        25, "what the unit allows the daemon",
        "exposure at most 1.5, and TLS works under exactly that",
        "test_deploy.AnalyzeTests.test_exposure",
        "test_systemd.SystemdTests.test_tls",
    ),
    _row(
        26, "50,000 connections that come and go", "less than 10 bytes each are kept",
        _SOAK + "LeakTests.test_churn",
    ),
    _quick(
        27, "SIGKILL of workers under load, and of their parent",
        "100 of 100 new connections are served, no zombie, no orphan",
        "test_workers.DeathTests.test_worker_killed_under_load",
        "test_workers.DeathTests.test_parent_killed",
    ),
)  # fmt: skip
"""All rows, by number."""
