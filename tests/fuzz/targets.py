"""
What a fuzzer calls with any bytes: each target raises when something is not as it must
be, whatever the bytes are.

C{scripts/test fuzz} looks for such bytes; L{tests.fuzz.test_corpus} tries those that
were interesting before, which lie in C{corpus/TARGET}.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from netsvc.chat.charset import Charset
from netsvc.chat.client.framing import Framing
from netsvc.chat.client.lines import parse as parse_line
from netsvc.chat.client.look import line_pieces
from netsvc.chat.client.people import People
from netsvc.chat.irc import commands as irc_commands
from netsvc.chat.irc.config import IrcConfig
from netsvc.chat.irc.message import (
    BODY_LIMIT,
    LineSplitter,
    MessageError,
    build,
    client_tags,
    label_of,
    parse,
    render_tags,
)
from netsvc.chat.line import commands as line_commands
from netsvc.chat.line.reader import LineReader
from netsvc.chat.line.telnet import TelnetFilter
from netsvc.chat.store.search import indexed, query
from netsvc.chat.text import action, clean
from netsvc.daemon.configuration import ConfigurationError
from netsvc.daemon.settings_text import effective
from netsvc.daemon.toml_lines import KeyPath, key_lines
from netsvc.dns.chain import on_chain
from netsvc.dns.errors import BadChain, FormatError
from netsvc.dns.forwarder.request import read as read_request
from netsvc.dns.text import rdata_text
from netsvc.dns.wire import parse as parse_message
from netsvc.tables import parse as parse_configuration
from tests.chat.accounts.sasl_kit import sasl_outcomes
from tests.chat.irc import kit as irc_kit
from tests.chat.irc.memory_history import MemoryHistory
from tests.chat.line import kit as line_kit
from tests.fuzz.frame_targets import relay_frames
from tests.fuzz.relay_targets import relay_datagrams, stun_message

# Now, while a fuzzer looks at what is imported.
irc_commands.load()
line_commands.load()

CORPUS: Final = Path(__file__).resolve().parent / "corpus"

#: What no terminal may be sent: C0 but TAB, CR and LF; DEL; C1; what changes the
#: direction of text, or is invisible.
HARMFUL: Final = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029"
    "\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


#: Capabilities of who watches what the others do.
WITNESS: Final = (
    *("message-tags", "server-time", "extended-join", "away-notify", "chghost"),
    *("account-notify", "setname", "invite-notify", "multi-prefix", "echo-message"),
)


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into pieces, at places that they themselves choose."""
    size = 1 + data[0] % 37 if data else 1
    for start in range(0, len(data), size):
        yield data[start : start + size]


def irc_parser(data: bytes) -> None:
    """Lines are the same however they come, and what is written is one line."""
    whole = LineSplitter().feed(data)
    splitter = LineSplitter()
    assert [line for piece in _pieces(data) for line in splitter.feed(piece)] == whole
    for line in whole:
        assert line and b"\n" not in line, line
        try:
            message = parse(line)
        except MessageError:
            continue
        if message is None:
            continue
        assert message.verb and message.verb == message.verb.upper(), message
        assert not any(" " in param or not param for param in message.params[:-1])
        label_of(message)
        render_tags(client_tags(message.tags))
        written = build(message.verb, *message.params, source="a!b@c")
        assert written.endswith(b"\r\n") and len(written) <= BODY_LIMIT, written
        assert not re.search(rb"[\r\n\0]", written[:-2]), written
        again = parse(written[:-2])
        assert again is not None and again.verb == message.verb[: len(again.verb)]


def irc_session(data: bytes) -> None:
    """
    A client that sends anything, before or behind its registration, causes no mistake
    of ours, and all that is sent to it and to others in its room are lines of IRC.
    """
    chat = irc_kit.Chat(IrcConfig(user_prefix=""), history=MemoryHistory())
    witness = chat.client("witness", *WITNESS)
    witness.send("JOIN #lobby")
    client = chat.connect()
    if data[:1] > b"\x80":
        client.send("NICK fuzz", "USER fuzz 0 * :Fuzz", "JOIN #lobby")
    for piece in _pieces(data):
        if not client.closed:
            client.session.receive(piece)
    chat.clock.advance(30)
    client.lose()
    chat.clock.advance(1)
    for each in (witness, client):
        for line in each.raw():
            _, _, body = line.partition(" ") if line[:1] == "@" else ("", "", line)
            assert len(body.encode()) <= BODY_LIMIT - 2, line
            assert not re.search("[\r\n\0]", line), line
    assert "fuzz" not in chat.hub.state.members
    witness.send("PING :still")
    assert witness.verbs() == ["PONG"]


def line_chain(data: bytes) -> None:
    """Bytes to text for a terminal: the same however they come, and harmless."""
    text, _ = TelnetFilter().feed(data)
    telnet, reader, lines = TelnetFilter(), LineReader(512), []
    for piece in _pieces(data):
        lines += reader.feed(telnet.feed(piece)[0])
    whole = LineReader(512)
    assert whole.feed(text) == lines
    last = whole.finish()
    assert reader.finish() == last
    charset = Charset()
    for line in (*lines, last):
        if line is None:
            continue
        shown = clean(charset.decode(line).text)
        assert not HARMFUL.search(shown), shown
        assert clean(shown) == shown, shown
        action(shown)
        charset.encode(shown).decode(charset.encoding)


def line_session(data: bytes) -> None:
    """
    Somebody on a line who sends anything causes no mistake of ours, and nobody is shown
    what could change their terminal.
    """
    chat = line_kit.LineChat(accounts=line_kit.FakeAccounts(alice="sesame"))
    witness = chat.client("witness")
    client = chat.connect()
    for piece in _pieces(data):
        if not client.closed and not client.was_cut:
            client.feed(piece)
    chat.advance(30)
    client.lose()
    chat.advance(1)
    for each in (witness, client):
        assert not each.failures, each.failures
    # What the client itself reads may be in either character set, with telnet in it.
    for line in witness.read():
        assert not HARMFUL.search(line), line
    assert len(chat.hub.state.members) == 1
    assert witness.ask("/help quit") == ["* /quit [REASON]: leave"]


def sasl(data: bytes) -> None:
    """A client that logs in with anything gets an answer to each parameter."""
    assert len(sasl_outcomes(data)) == data.count(b"\n") + 1


_SEARCH = sqlite3.connect(":memory:")
_SEARCH.execute(
    "create virtual table search using fts5"
    " (room, text, tokenize = 'unicode61 remove_diacritics 2')"
)


def search(data: bytes) -> None:
    """Whatever words are searched, the question is one that SQLite understands."""
    words = data.decode("utf-8", "replace")
    asked = query(words, (1, 2))
    _SEARCH.execute("delete from search")
    _SEARCH.execute("insert into search values ('t1', ?)", (indexed(words),))
    if asked:
        _SEARCH.execute("select rowid from search where search match ?", (asked,))


def client(data: bytes) -> None:
    """The terminal client shows whatever a server sends, without harm."""
    people, framing, lines = People(), Framing(), []
    for piece in _pieces(data):
        lines += framing.feed(piece)
    for text in (*lines, *framing.end()):
        line = parse_line(clean(text))
        people.learn(line)
        for _, shown in line_pieces(line, people):
            assert not HARMFUL.search(shown.replace("\n", "")), shown


def dns_reply(data: bytes) -> None:
    """A reply is a message or malformed; what it says can be shown on a terminal."""
    try:
        message = parse_message(data)
    except FormatError:
        return
    for record in (*message.answer, *message.authority, *message.additional):
        for shown in (record.name, rdata_text(record)):
            assert not HARMFUL.search(shown), shown
    if message.question is not None:
        with contextlib.suppress(BadChain):
            on_chain(message.answer, message.question)
        assert parse_message(data, message.question).answer == message.answer


def dns_request(data: bytes) -> None:
    """A query to the forwarder is one, or gets no answer at all."""
    read_request(data)


def configuration(data: bytes) -> None:
    """
    A configuration file is refused with lines for people, or means what it is shown
    to mean; and where each key of valid TOML stands is known.
    """
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(ValueError, RecursionError):
        places(tomllib.loads(text), key_lines(text), text.count("\n") + 1)
    try:
        read = parse_configuration(text, "fuzz.toml")
    except ConfigurationError as error:
        assert error.problems
        for problem in error.problems:
            assert 0 <= problem.line <= text.count("\n") + 1, problem
            assert not HARMFUL.search(str(problem)), problem
            assert "\n" not in str(problem), problem
    else:
        shown = effective(read)
        assert not HARMFUL.search(shown), shown
        again = parse_configuration(shown, "fuzz.toml")
        assert (again.daemon, again.entries) == (read.daemon, read.entries), shown


def places(value: object, lines: dict[KeyPath, int], last: int) -> None:
    """Check that each value has a line."""
    todo: list[tuple[KeyPath, object]] = [((), value)]
    while todo:
        path, value = todo.pop()
        assert not path or 1 <= lines[path] <= last, path
        if isinstance(value, dict):
            todo += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            todo += [((*path, index), inner) for index, inner in enumerate(value)]


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    each.__name__: each
    for each in (
        *(irc_parser, irc_session, line_chain, line_session),
        *(sasl, search, client),
        *(dns_reply, dns_request),
        configuration,
        *(relay_datagrams, relay_frames, stun_message),
    )
}
