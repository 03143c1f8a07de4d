"""Looking at PEM files before they are used."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.pem_files import MAX_BYTES, PemError, check_pems, read_pem
from tests.daemon.pem_samples import make_pem, write_pem


class ReadPemTests(SynchronousTestCase):
    """L{read_pem} and L{check_pems}."""

    def setUp(self) -> None:
        """Have a folder."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def write(self, **texts: str) -> None:
        """Write files, by their names without C{.pem}."""
        for name, text in texts.items():
            (self.folder / f"{name}.pem").write_text(text)

    def check(self) -> None:
        """Look at all files."""
        paths = sorted(self.folder.iterdir())
        check_pems(paths, [read_pem(each) for each in paths])

    def refused(self) -> str:
        """Look at all files, of which one is refused; say why."""
        problem = str(self.assertRaises(PemError, self.check))
        self.assertNotIn("\n", problem)
        return problem.removeprefix(f"{self.folder}/")

    def test_one_file(self) -> None:
        """A key and its certificate may stand in one file, with other text."""
        key, certificate = make_pem("a.example")
        self.write(a=f"a comment\n{key}\n{certificate}")
        self.check()
        keys, certificates = read_pem(self.folder / "a.pem")
        self.assertEqual((len(keys), len(certificates)), (1, 1))

    def test_certbot(self) -> None:
        """Files such as certbot's belong together; authorities need no key."""
        key, certificate = make_pem("a.example")
        _, chain = make_pem("CA", is_authority=True)
        _, old = make_pem("old CA", is_authority=None)
        whole = certificate + chain
        self.write(privkey=key, cert=certificate, chain=chain + old, fullchain=whole)
        self.check()

    def test_nothing(self) -> None:
        """A file in which there is nothing is refused, and so is one cut short."""
        self.write(a="")
        nothing = "a.pem has neither a certificate nor a private key"
        self.assertEqual(self.refused(), nothing)
        self.write(a="".join(make_pem("a.example"))[:-30])
        self.assertEqual(self.refused(), "a.pem: what begins in it does not end")

    def test_broken(self) -> None:
        """What cannot be read is refused in one line."""
        begin, end = "-----BEGIN {}-----\nAAAA\n", "-----END {}-----\n"
        for what in ("CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY"):
            self.write(a=(begin + end).format(what, what))
            self.assertIn("a.pem: ", self.refused())
        key = ec.generate_private_key(ec.SECP256R1())
        form = Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        self.write(a=key.private_bytes(*form).decode())
        self.assertEqual(self.refused(), "a.pem: the private key has a passphrase")
        self.write(a="x" * (MAX_BYTES + 1))
        self.assertEqual(self.refused(), f"a.pem has more than {MAX_BYTES} bytes")

    def test_half(self) -> None:
        """A key without its certificate is refused, and the other way round."""
        key, certificate = make_pem("a.example")
        write_pem(self.folder / "a.pem", "b.example")
        self.write(b=key)
        without = "b.pem: there is no certificate for its private key"
        self.assertEqual(self.refused(), without)
        self.write(b=certificate)
        without = "b.pem: there is no private key for its certificate"
        self.assertEqual(self.refused(), without)
        self.write(b=certificate, c=key)
        self.check()
