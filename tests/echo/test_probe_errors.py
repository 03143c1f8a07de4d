"""Failures in words, and the TLS settings that may be wrong."""

from __future__ import annotations

import errno

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.errors import MAX_DETAIL, describe_failure


class FailureTests(SynchronousTestCase):
    """Each failure has its words."""

    def test_words(self) -> None:
        """Known failures are named without their class or number."""
        for reason, words in (
            (error.ConnectionDone(), "closed by the other side"),
            (error.ConnectionLost(), "connection lost"),
            (error.ConnectionRefusedError(errno.ECONNREFUSED), "connection refused"),
            (error.NoRouteError(errno.EHOSTUNREACH), "no route to host"),
            (error.TimeoutError(), "no answer to the connection attempt"),
            (
                error.ConnectBindError(errno.EADDRNOTAVAIL, "x"),
                "cannot use the source address: cannot assign requested address",
            ),
            (
                error.ConnectError("odd", "\x1bodd"),
                r"An error occurred while connecting: odd: \x1bodd",
            ),
            (ValueError("a\nb"), r"a\nb"),
            (ValueError(), "ValueError"),
        ):
            self.assertEqual(describe_failure(Failure(reason)), words)

    def test_bounded(self) -> None:
        """An unforeseen text is shown in part."""
        self.assertEqual(
            len(describe_failure(Failure(ValueError("x" * 999)))), MAX_DETAIL
        )

    def test_tls(self) -> None:
        """TLS failures say what may help."""
        for text, words in (
            ("certificate verify failed", "--ca FILE"),
            ("wrong version number", "perhaps the service does not speak TLS"),
            ("sslv3 alert\x07", r"TLS handshake failed: sslv3 alert\x07"),
        ):
            failure = Failure(SSL.Error([("SSL routines", "", text)]))
            self.assertIn(words, describe_failure(failure))
        for empty in (SSL.Error(), SSL.Error([])):
            self.assertIn("unexpected end", describe_failure(Failure(empty)))

    def test_name(self) -> None:
        """A certificate for another name says so."""
        words = describe_failure(Failure(VerificationError(errors=[])))
        self.assertIn("not for this name", words)
