"""Runs the client from settings to exit status: reactor, session, terminal or pipe."""

from __future__ import annotations

import asyncio
import io
import os
import random
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.main import installReactor
from twisted.python.failure import Failure

from netsvc.chat.client.link import Link, Receiver
from netsvc.chat.client.pipe import Pipe
from netsvc.chat.client.pipe_process import Input, Out, PipeReactor, input_encoding
from netsvc.chat.client.resolver import ThreadResolver
from netsvc.chat.client.session import LEAVE_TIMEOUT, Session, View
from netsvc.chat.client.target import ClientSettings
from netsvc.chat.client.tcp import tcp_link
from netsvc.daemon.client_tls import TLSSettingsError
from netsvc.daemon.escape import escape
from netsvc.daemon.targets import is_loopback

PROGRAM: Final = "netsvc chat"
"""How the command names itself in front of its errors."""

EXIT_FAILED: Final = 1
"""Exit status when there was no connection, or the server refused something."""

GOODBYE: Final = 2.0
"""Seconds that somebody at a terminal waits for the server's goodbye."""

SIGNALLED: Final = 128
"""Exit status, with the signal's number added, of a run that a signal has ended."""


MakeLink = Callable[[Any, Receiver], Link]
"""Makes the link, of a reactor and of who takes what it gives."""


def run_chat(settings: ClientSettings, make_link: MakeLink | None = None) -> int:
    """
    Run in a reactor of its own, which can be done once in a process.

    @param make_link: Makes the link; by default it is one over TCP or TLS.
    @return: the exit status.
    """
    if make_link is None:

        def make_link(reactor: Any, receiver: Receiver) -> Link:
            return tcp_link(reactor, settings, receiver)

    try:
        if all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout)):
            return _run_terminal(settings, make_link)
        return _run_pipe(settings, make_link)
    except TLSSettingsError as error:
        complain(str(error))
        return EXIT_FAILED


def complain(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{PROGRAM}: {escape(text)}\n")
    sys.stderr.flush()


def make_session(
    settings: ClientSettings,
    make_link: MakeLink,
    reactor: Any,
    view: View,
    reconnect: bool,
    leave_timeout: float = LEAVE_TIMEOUT,
) -> Session:
    """
    Make the session that the settings ask for.

    @raise TLSSettingsError: If TLS cannot be as they want.
    """
    return Session(
        settings.wishes,
        lambda receiver: make_link(reactor, receiver),
        view,
        reactor,
        random.random,
        reconnect,
        leave_timeout,
        settings.password,
    )


def clock(settings: ClientSettings) -> Callable[[], datetime | None]:
    """Make what gives the time to show with a line."""
    return datetime.now if settings.timestamps else lambda: None


def warning(settings: ClientSettings) -> str:
    """Give what to say before a password is asked for; nothing if that is safe."""
    if settings.tls is not None or is_loopback(settings.host):
        return ""
    if settings.udp:
        return "over UDP others on the way can read the password"
    return "without --tls others on the way can read the password"


def _run_terminal(settings: ClientSettings, make_link: MakeLink) -> int:
    # Not before: a pipe needs neither.
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

    from netsvc.chat.client.history import History, state_directory
    from netsvc.chat.client.interaction import Interaction
    from netsvc.chat.client.terminal import open_terminal

    loop = asyncio.new_event_loop()
    reactor: Any = AsyncioSelectorReactor(loop)
    installReactor(reactor)
    reactor.installNameResolver(ThreadResolver(reactor))
    history = History(state_directory(os.environ) / "chat_history")
    interaction = Interaction(history, clock(settings), warning(settings))
    session = make_session(
        settings, make_link, reactor, interaction, settings.reconnect, GOODBYE
    )
    terminal = open_terminal(interaction, history.load())
    interaction.begin(session, terminal)
    failures: list[Failure] = []

    def run() -> None:
        session.start()
        ended = Deferred.fromFuture(asyncio.ensure_future(terminal.run(), loop=loop))
        ended.addErrback(failures.append)
        ended.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(run)
    reactor.run(installSignalHandlers=False)
    loop.close()
    for failure in failures:
        failure.raiseException()
    if interaction.trouble:
        complain(f"{settings.where}: {interaction.trouble}")
        return EXIT_FAILED
    return 0


def _run_pipe(settings: ClientSettings, make_link: MakeLink) -> int:
    reactor: Any = PipeReactor()
    installReactor(reactor)
    reactor.installNameResolver(ThreadResolver(reactor))
    signals: list[int] = []

    def stop(number: int = 0) -> None:
        signals.append(number)
        session.leave()

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    out = Out(sys.stdout, stop)
    pipe = Pipe(
        reactor,
        out.write,
        complain,
        lambda: reactor.callLater(0, reactor.stop),
        clock(settings),
        input_encoding(sys.stdin),
        settings.commands,
    )
    # Whether what was sent before a loss has arrived cannot be known: no reconnect.
    session = make_session(settings, make_link, reactor, pipe, reconnect=False)
    pipe.begin(session, Input(reactor, pipe, None if sys.stdin is None else 0))
    reactor.on_signal(stop)
    reactor.callWhenRunning(session.start)
    reactor.run()
    if signals:
        return SIGNALLED + signals[0] if signals[0] else EXIT_FAILED
    if pipe.trouble:
        complain(f"{settings.where}: {pipe.trouble}")
    return EXIT_FAILED if pipe.failed else 0
