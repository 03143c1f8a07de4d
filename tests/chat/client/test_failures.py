"""Why there is no connection."""

from __future__ import annotations

import errno

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.failures import MAX_DETAIL, describe


class DescribeTests(SynchronousTestCase):
    """Failures in a few words."""

    def test_known(self) -> None:
        """What happens to connections has a sentence each."""
        for reason, text in {
            error.ConnectionDone(): "the server has closed the connection",
            error.ConnectionLost(): "the connection was lost",
            error.TimeoutError(): "no answer",
            error.DNSLookupError("x"): "no such host",
            error.ConnectionRefusedError(errno.ECONNREFUSED): "Connection refused",
            error.ConnectError(
                string="odd.\x1b"
            ): "An error occurred while connecting: odd.\\x1b",
            ValueError(): "ValueError",
            ValueError("a\nb"): "a\\nb",
        }.items():
            self.assertEqual(describe(Failure(reason)), text)

    def test_tls(self) -> None:
        """Failures of TLS have a hint."""
        for reason, text in {
            VerificationError([]): "--server-name",
            SSL.Error([("", "", "certificate verify failed")]): "--ca FILE",
            SSL.Error([("", "", "wrong version number")]): "does not speak TLS",
            SSL.Error([("", "", "other")]): "TLS handshake failed: other",
            SSL.Error(): "unexpected end",
        }.items():
            self.assertIn(text, describe(Failure(reason)))

    def test_long(self) -> None:
        """A long reason is cut."""
        self.assertEqual(len(describe(Failure(ValueError("x" * 999)))), MAX_DETAIL)
