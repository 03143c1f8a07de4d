"""Tests of L{netsvc.balance.certificates} and C{.backend_tls}."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend_tls import backend_layers
from netsvc.balance.backends import parse_backend
from netsvc.balance.certificates import CertificateError, Certificates, certificates
from netsvc.balance.tls_listen import TLSListen
from netsvc.daemon.client_tls import TrustError
from netsvc.daemon.listen import parse_listen
from tests.integration.balance_certificates import Authority


class CertificateCase(SynchronousTestCase):
    """A test with certificates."""

    def setUp(self) -> None:
        """Make an authority."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.authority = Authority(self.folder)
        self.clock = Clock()

    def read(self, text: str) -> Certificates:
        """Read what a listen string names."""
        service = "netsvc-balance/web"
        return certificates(parse_listen(text), [], self.clock.seconds, lambda: service)

    def directory(self) -> Certificates:
        """Read the directory."""
        return self.read(f"tls:{self.folder}/certs:port=0")

    def refused(self, text: str, words: str) -> None:
        """See that certificates are refused, for the reason."""
        error = self.assertRaises(CertificateError, self.read, text)
        self.assertIn(words, str(error))


class CertificatesTests(CertificateCase):
    """Which certificate a client is shown."""

    def test_names(self) -> None:
        """Each name has its own; a wildcard is one label; the first is for all."""
        for name in ("one.test", "*.two.test"):
            self.authority.issue(name, f"certs/{name.strip('*.')}.pem")
        found = self.directory()
        for name, shown in (
            ("one.test", "one.test"),
            ("ONE.test.", "one.test"),
            ("www.two.test", "*.two.test"),
            ("three.test", "one.test"),
            ("", "one.test"),
        ):
            self.assertEqual(found.find(name).names, (shown,))
        self.assertIs(found._pick(None), found.find("one.test").options.getContext())

    def test_separate_files(self) -> None:
        """Key, certificate and chain may be in files of their own."""
        both = self.authority.issue("one.test").read_text()
        split = both.index("-----BEGIN CERTIFICATE")
        (self.folder / "key").write_text(both[:split])
        (self.folder / "crt").write_text(both[split:])
        text = "ssl:0:privateKey={0}/key:certKey={0}/crt:extraCertChain={0}/ca.crt"
        found = self.read(text.format(self.folder))
        self.assertEqual(found.find("one.test").length, 2)

    def test_longer_chain(self) -> None:
        """Of two files with one certificate the one with the chain is taken."""
        path = self.authority.issue("one.test", "certs/one.pem")
        whole = path.read_text() + self.authority.file.read_text()
        (self.folder / "certs" / "two.pem").write_text(whole)
        self.assertEqual(self.directory().find("one.test").length, 2)

    def test_refused(self) -> None:
        """What cannot be used is refused, with the file."""
        path = self.authority.issue("one.test")
        ssl = f"ssl:0:privateKey={self.folder}/bad"
        bad = self.folder / "bad"
        bad.write_text("nothing")
        self.refused(ssl, "nor a private key")
        bad.write_text(path.read_text().partition("-----BEGIN CERTIFICATE")[0])
        self.refused(ssl, "no certificate")
        broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        bad.write_text(broken)
        self.refused(ssl, str(bad))
        self.assertRaises(OSError, self.read, f"ssl:0:privateKey={self.folder}/none")
        self.refused(f"tls:{self.folder}/none", "not a directory")
        (self.folder / "empty").mkdir()
        self.refused(f"tls:{self.folder}/empty", "no private key")
        key = self.folder / "locked"
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "RSA", "-aes256",
             "-pass", "pass:secret", "-out", str(key)],
            check=True, capture_output=True, timeout=20,
        )  # fmt: skip
        self.refused(f"ssl:0:privateKey={key}", "passphrase")

    def test_weak_key(self) -> None:
        """A key that OpenSSL finds too weak is refused, in its words."""
        path = self.folder / "weak.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:512", "-nodes",
             "-subj", "/CN=weak.test", "-keyout", str(path),
             "-out", str(self.folder / "crt")],
            check=True, capture_output=True, timeout=20,
        )  # fmt: skip
        self.refused(f"ssl:0:privateKey={path}:certKey={self.folder}/crt", "too small")

    def test_common_name(self) -> None:
        """A certificate without alternative names has its common name."""
        path = self.folder / "old.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Old.test",
             "-keyout", str(path), "-out", str(self.folder / "crt")],
            check=True, capture_output=True, timeout=20,
        )  # fmt: skip
        found = self.read(f"ssl:0:privateKey={path}:certKey={self.folder}/crt")
        self.assertEqual(found.find("").names, ("old.test",))

    def test_reload(self) -> None:
        """Changed files are read again, not more than once a second."""
        self.authority.issue("one.test", "certs/one.pem")
        found = self.directory()
        self.authority.issue("two.test", "certs/two.pem")
        found.refresh()
        self.assertEqual(found.find("two.test").names, ("one.test",))
        self.clock.advance(1)
        found.refresh()
        self.assertEqual(found.find("two.test").names, ("two.test",))
        self.clock.advance(1)
        found.refresh()

    def test_bad_reload(self) -> None:
        """What cannot be used does not replace what was there."""
        path = self.authority.issue("one.test", "certs/one.pem")
        found = self.directory()
        path.write_text("nothing")
        for _ in range(3):
            self.clock.advance(1)
            found.refresh()
        self.assertEqual((found.failures, found.find("").names), (1, ("one.test",)))
        path.unlink()
        self.clock.advance(1)
        found.refresh()
        self.assertEqual(found.failures, 2)


class ListenTests(SynchronousTestCase):
    """TLS is bound as TCP."""

    def test_endpoint(self) -> None:
        """The port and the interface are those of the string."""
        for text, endpoint in (
            ("ssl:8443", "tcp:8443:interface=:backlog=4096"),
            (r"ssl:port=1:interface=\:\:1", r"tcp:1:interface=\:\:1:backlog=4096"),
            ("tls:certs", r"tcp:443:interface=\:\::backlog=4096"),
            ("tls:certs:8443:backlog=5", r"tcp:8443:interface=\:\::backlog=5"),
            ("tls:certs:port=8443", r"tcp:8443:interface=\:\::backlog=4096"),
        ):
            listen = TLSListen.of(parse_listen(text))
            self.assertEqual((listen.endpoint, str(listen)), (endpoint, text))


class BackendTests(CertificateCase):
    """TLS to backends."""

    def test_layers(self) -> None:
        """Those with the same name share a configuration; not all have one."""
        texts = (
            "10.0.0.1:1",
            "10.0.0.2:1,tls,tls-name=a.test",
            "10.0.0.3:1,tls,tls-name=a.test",
            "10.0.0.4:1,tls,tls-name=a.test,tls-verify=no",
            "10.0.0.5:1,tls",
            "10.0.0.6:1,tls,tls-verify=no",
        )
        specs = [parse_backend(text) for text in texts]
        made = backend_layers(specs, self.authority.file, self.clock)
        self.assertNotIn(specs[0], made)
        self.assertIs(made[specs[1]], made[specs[2]])
        self.assertIsNot(made[specs[1]], made[specs[3]])
        self.assertEqual(len(made), 5)

    def test_refused(self) -> None:
        """A file without certificates is refused."""
        path = self.folder / "none"
        path.write_text("nothing")
        self.assertRaises(TrustError, backend_layers, [], path, self.clock)
        path.write_text("x-----END CERTIFICATE-----")
        self.assertRaises(TrustError, backend_layers, [], path, self.clock)
