"""The target and the sweep as they are typed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.target import (
    MAX_SWEEP_SIZES,
    Address,
    ProbeSettings,
    Transport,
    parse_sweep,
)


class AddressTests(SynchronousTestCase):
    """Addresses of the target."""

    def test_address_names_itself(self) -> None:
        """An address is named with port and protocol in messages."""
        address = Address(2, ("192.0.2.7", 7), "192.0.2.7")
        self.assertEqual(address.where("udp"), "192.0.2.7 port 7/udp")


class SweepTests(SynchronousTestCase):
    """FROM:TO[:STEP]."""

    def test_steps(self) -> None:
        """A step is bytes or a factor, by default 2, and both ends are in."""
        self.assertEqual(parse_sweep("64:300"), (64, 128, 256, 300))
        self.assertEqual(parse_sweep("0:5"), (0, 1, 2, 4, 5))
        self.assertEqual(parse_sweep("10:30:10"), (10, 20, 30))
        self.assertEqual(parse_sweep("10:35:10"), (10, 20, 30, 35))
        self.assertEqual(parse_sweep("1:1000:x10"), (1, 10, 100, 1000))
        self.assertEqual(parse_sweep("1:100:*10"), (1, 10, 100))

    def test_refused(self) -> None:
        """A sweep that does not rise, or has no step, is refused."""
        for text in (
            "",
            "1",
            "2:1",
            "1:1",
            "1:9:0",
            "1:9:x1",
            "1:9:x",
            "a:b",
            "1:2:3:4",
        ):
            with self.assertRaises(ValueError, msg=text):
                parse_sweep(text)

    def test_bounded(self) -> None:
        """A sweep has no more than a fixed number of sizes."""
        self.assertEqual(len(parse_sweep(f"1:{MAX_SWEEP_SIZES}:1")), MAX_SWEEP_SIZES)
        self.assertRaises(ValueError, parse_sweep, f"0:{MAX_SWEEP_SIZES}:1")


class SettingsTests(SynchronousTestCase):
    """The settings of a run."""

    def test_sweep(self) -> None:
        """Several sizes are a sweep, one is not."""
        self.assertFalse(ProbeSettings("localhost").is_sweep)
        self.assertTrue(ProbeSettings("localhost", sizes=(1, 2)).is_sweep)

    def test_streams(self) -> None:
        """TCP and TLS are streams, UDP is not."""
        streams = [transport for transport in Transport if transport.is_stream]
        self.assertEqual(streams, [Transport.TCP, Transport.TLS])
