"""The process around a pipe."""

from __future__ import annotations

import io
import os
import signal
from typing import Any, cast

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netsvc.chat.client.pipe import Pipe
from netsvc.chat.client.pipe_process import Input, Out, PipeReactor, input_encoding


class FakePipe:
    """A pipe that remembers its input."""

    def __init__(self) -> None:
        self.fed = b""
        self.ends = 0

    def feed(self, data: bytes) -> None:
        self.fed += data

    def end(self) -> None:
        self.ends += 1


class InputTests(SynchronousTestCase):
    """Standard input."""

    def setUp(self) -> None:
        """Open a pipe; this is the reactor too."""
        self.readers: list[Any] = []
        self.pipe = FakePipe()
        self.end, self.mouth = os.pipe()
        self.input = self.make(self.end)

    def make(self, descriptor: int | None) -> Input:
        return Input(self, cast(Pipe, self.pipe), descriptor)

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)

    def test_read(self) -> None:
        """It is read while it is wanted, to its end."""
        self.assertTrue(verifyObject(IReadDescriptor, self.input))
        self.input.resume()
        self.input.resume()
        self.assertEqual(self.readers, [self.input])
        self.assertEqual(self.input.fileno(), self.end)
        os.write(self.mouth, b"abc")
        self.input.doRead()
        os.close(self.mouth)
        self.input.doRead()
        self.assertEqual((self.pipe.fed, self.pipe.ends), (b"abc", 1))
        self.input.pause()
        self.input.pause()
        self.assertEqual(self.readers, [])
        os.close(self.end)
        self.input.doRead()
        self.assertEqual(self.pipe.ends, 2)

    def test_none(self) -> None:
        """Without an input it ends at once."""
        os.close(self.end)
        os.close(self.mouth)
        none = self.make(None)
        none.resume()
        self.assertEqual((self.pipe.ends, self.readers, none.fileno()), (1, [], -1))

    def test_reactor_stops(self) -> None:
        """The reactor may take it out."""
        self.input.resume()
        self.input.connectionLost(Failure(CONNECTION_DONE))
        self.input.pause()
        self.assertEqual(self.input.logPrefix(), "input")
        os.close(self.end)
        os.close(self.mouth)


class OutTests(SynchronousTestCase):
    """Standard output."""

    def test_goes_away(self) -> None:
        """When nobody reads any more that is told once, and nothing is left over."""
        told: list[str] = []
        end, mouth = os.pipe()
        with open(mouth, "w", encoding="utf-8") as stream:
            out = Out(stream, lambda: told.append("gone"))
            out.write("안녕")
            self.assertEqual(os.read(end, 100), "안녕\n".encode())
            os.close(end)
            out.write("x")
            out.write("y")
            self.assertTrue(out.is_gone)
        self.assertEqual(told, ["gone"])


class EncodingTests(SynchronousTestCase):
    """The encoding of the input."""

    def test_encoding(self) -> None:
        """It is that of the locale; cp949 for EUC-KR, which lacks most syllables."""
        for name, found in (
            ("utf-8", "utf-8"),
            ("euc_kr", "cp949"),
            ("latin-1", "latin-1"),
        ):
            with io.TextIOWrapper(io.BytesIO(), encoding=name) as stream:
                self.assertEqual(input_encoding(stream), found)
        self.assertEqual(input_encoding(None), "utf-8")


class ReactorTests(SynchronousTestCase):
    """The reactor of a pipe."""

    def test_signals(self) -> None:
        """Signals are handed on in the reactor's turn."""
        reactor = PipeReactor()
        taken: list[int] = []
        reactor.on_signal(taken.append)
        reactor.sigInt(signal.SIGINT)
        reactor.sigTerm(signal.SIGTERM)
        reactor.runUntilCurrent()
        self.assertEqual(taken, [signal.SIGINT, signal.SIGTERM])
        self.addCleanup(self.close, reactor)

    def close(self, reactor: Any) -> None:
        for reader in reactor.removeAll():
            reader.connectionLost(Failure(CONNECTION_DONE))
