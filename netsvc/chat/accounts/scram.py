"""
SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), without channel binding.

The server keeps a salt, a number of iterations and two keys, from which the password
cannot be read; L{derive} makes them, at registration, for no other hash gives them
later. L{Conversation} is one exchange: messages in, messages out, no time, no store.

Passwords are prepared as RFC 8265 says (C{OpaqueString}), where RFC 5802 still names
SASLprep: IRC clients prepare nothing, so what preserves more agrees with more of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Final

from netsvc.chat.names import fold

#: The least number of iterations (RFC 7677 section 4).
LEAST_ITERATIONS: Final = 4096

#: The number of iterations unless told otherwise: what RFC 7677 section 4 reckons a
#: tenth of a second to be worth, and what slow clients can still do.
ITERATIONS: Final = 15_000

#: Bytes in a salt.
SALT_SIZE: Final = 16

# What a name in a message has for "," and "=" (RFC 5802 section 5.1).
_ESCAPES: Final = {"=2C": ",", "=3D": "="}


class ScramError(Exception):
    """
    The client's message is no message of SCRAM, or proves nothing.

    @ivar value: What RFC 5802 section 7 calls it (C{server-error-value}).
    """

    def __init__(self, value: str) -> None:
        """Refuse for a reason that RFC 5802 names."""
        super().__init__(value)
        self.value = value

    @property
    def message(self) -> bytes:
        """The message that says so (C{server-final-message})."""
        return f"e={self.value}".encode("ascii")


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """
    What the server keeps of a password (RFC 5802 section 3).

    @ivar salt: The salt.
    @ivar iterations: How often the hash was iterated.
    @ivar stored_key: What a client's proof is checked against.
    @ivar server_key: What the server proves itself with.
    """

    salt: bytes = field(repr=False)
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def to_json(self) -> str:
        """Give the keys as text, for the store."""
        return json.dumps(
            {
                "iterations": self.iterations,
                "salt": self.salt.hex(),
                "stored_key": self.stored_key.hex(),
                "server_key": self.server_key.hex(),
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> ScramKeys:
        """
        Read what L{to_json} gave.

        @raise ValueError: If it is nothing of the sort.
        """
        try:
            values = json.loads(text)
            return cls(
                bytes.fromhex(values["salt"]),
                int(values["iterations"]),
                bytes.fromhex(values["stored_key"]),
                bytes.fromhex(values["server_key"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError("these are no SCRAM keys") from error


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def derive(password: str, salt: bytes, iterations: int) -> ScramKeys:
    """
    Make the keys of a password: slow on purpose.

    @param password: Prepared, see L{netsvc.chat.accounts.passwords.prepare}.
    @param salt: Random, L{SALT_SIZE} bytes.
    @param iterations: At least L{LEAST_ITERATIONS}.
    @raise ValueError: If there are fewer.
    """
    if iterations < LEAST_ITERATIONS:
        raise ValueError(f"fewer than {LEAST_ITERATIONS} iterations")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return ScramKeys(salt, iterations, stored_key, _hmac(salted, b"Server Key"))


def matches(keys: ScramKeys, password: str) -> bool:
    """
    Say whether the keys are those of a password: as slow as L{derive}.

    @param password: Prepared.
    """
    made = derive(password, keys.salt, keys.iterations)
    return hmac.compare_digest(made.stored_key, keys.stored_key)


def made_up(secret: bytes, key: str, iterations: int) -> ScramKeys:
    """
    Make keys for an account that does not exist: no password fits them.

    They are always the same for a name, so that asking twice tells nobody that the
    account does not exist.

    @param secret: The server's, of which strangers know nothing.
    @param key: The account's name, folded.
    """
    name = key.encode()
    return ScramKeys(
        _hmac(secret, b"salt:" + name)[:SALT_SIZE],
        iterations,
        _hmac(secret, b"stored:" + name),
        _hmac(secret, b"server:" + name),
    )


def _name(text: str) -> str:
    """Undo the escapes of a name (C{saslname})."""
    first, *rest = text.split("=")
    name = first
    for each in rest:
        char = _ESCAPES.get("=" + each[:2])
        if char is None:
            raise ScramError("invalid-encoding")
        name += char + each[2:]
    if not name or "\0" in name:
        raise ScramError("invalid-username-encoding")
    return name


def _nonce(text: str) -> str:
    """Check a nonce: printable ASCII but the comma."""
    if not text or any(not "!" <= char <= "~" for char in text):
        raise ScramError("invalid-encoding")
    return text


def _text(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise ScramError("invalid-encoding") from None


def _value(attribute: str, letter: str) -> str:
    """Give the value of an attribute that has to stand here."""
    if not attribute.startswith(letter + "="):
        raise ScramError("invalid-encoding")
    return attribute[2:]


def _base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ScramError("invalid-encoding") from None


class Conversation:
    """
    One exchange of SCRAM: L{first}, L{challenge}, L{final}, in this order.

    @ivar name: The account that the client names, after L{first}.
    """

    def __init__(self, nonce: str) -> None:
        """
        @param nonce: The server's share of the nonce: random, printable ASCII without
            a comma.
        """
        self.name = ""
        self._nonce = nonce
        self._header = ""
        self._first = ""
        self._challenge = ""
        self._keys: ScramKeys | None = None

    def first(self, message: bytes) -> str:
        """
        Read C{client-first-message}.

        @return: The name of the account.
        @raise ScramError: If it is none, or asks for what is not supported.
        """
        flag, _, rest = _text(message).partition(",")
        authzid, comma, bare = rest.partition(",")
        if flag.startswith("p="):
            raise ScramError("channel-binding-not-supported")
        if flag not in ("n", "y") or not comma:
            raise ScramError("invalid-encoding")
        if bare.startswith("m="):
            raise ScramError("extensions-not-supported")
        name, nonce, *_ = [*bare.split(","), ""]
        self.name = _name(_value(name, "n"))
        if authzid and fold(_name(_value(authzid, "a"))) != fold(self.name):
            raise ScramError("other-error")
        self._nonce = _nonce(_value(nonce, "r")) + self._nonce
        self._header = f"{flag},{authzid},"
        self._first = bare
        return self.name

    def challenge(self, keys: ScramKeys) -> bytes:
        """Give C{server-first-message}, for an account that has such keys."""
        self._keys = keys
        salt = base64.b64encode(keys.salt).decode("ascii")
        self._challenge = f"r={self._nonce},s={salt},i={keys.iterations}"
        return self._challenge.encode("ascii")

    def final(self, message: bytes) -> bytes:
        """
        Check C{client-final-message}.

        @return: C{server-final-message}, which proves that the server has the keys.
        @raise ScramError: If the client does not prove that it has the password.
        """
        assert self._keys is not None, "no challenge was given"
        text = _text(message)
        without, _, last = text.rpartition(",")
        binding, nonce, *_ = [*without.split(","), ""]
        if _base64(_value(binding, "c")) != self._header.encode():
            raise ScramError("channel-bindings-dont-match")
        if not hmac.compare_digest(_value(nonce, "r").encode(), self._nonce.encode()):
            raise ScramError("other-error")
        proof = _base64(_value(last, "p"))
        signed = ",".join((self._first, self._challenge, without)).encode()
        signature = _hmac(self._keys.stored_key, signed)
        if len(proof) != len(signature):
            raise ScramError("invalid-encoding")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        stored_key = hashlib.sha256(client_key).digest()
        if not hmac.compare_digest(stored_key, self._keys.stored_key):
            raise ScramError("invalid-proof")
        return b"v=" + base64.b64encode(_hmac(self._keys.server_key, signed))
