"""
What a STUN server answers: RFC 8489 sections 6.3 and 9.1, RFC 5780 section 6, lean.

Only Binding requests are answered: no response and no indication, so that two servers
never answer each other. An answer to 20 bytes has 32 unless more was asked for.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netsvc.daemon.files import read_file
from netsvc.relay import stun
from netsvc.relay.admission import FACTOR
from netsvc.relay.stun import Address, Message, StunError

#: What a request may have that must be understood.
_UNDERSTOOD = frozenset(
    {
        stun.CHANGE_REQUEST,
        stun.USERNAME,
        stun.MESSAGE_INTEGRITY,
        stun.MESSAGE_INTEGRITY_SHA256,
        # Of an ICE agent's checks (RFC 8445) and of probes (RFC 5780), which with
        # RESPONSE-PORT reach no more than with another source port.
        stun.RESPONSE_PORT,
        stun.PRIORITY,
        stun.USE_CANDIDATE,
        stun.PADDING,
        # What answers have, and old clients put into requests.
        stun.MAPPED_ADDRESS,
        stun.XOR_MAPPED_ADDRESS,
    }
)

#: Bytes that a password may have.
MAX_PASSWORD: Final = 512

#: The most attributes that UNKNOWN-ATTRIBUTES names.
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Credential:
    """
    A short-term credential (RFC 8489 section 9.1).

    @ivar user: The user name.
    @ivar key: The password, which is the key of the integrity.
    """

    user: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What to send, to where the request came from.

    @ivar data: The answer.
    @ivar other: Whether from the other port.
    @ivar to_port: The port of that machine which asks to be answered at, or C{None}.
    """

    data: bytes
    other: bool = False
    to_port: int | None = None


def read_credential(user: str, path: Path | None) -> Credential | None:
    """
    Read a credential whose password is in a file.

    @return: C{None} if there is no file.
    @raise ValueError: If it cannot be read, or is empty: one line.
    """
    if path is None:
        return None
    try:
        key = read_file(path, MAX_PASSWORD).rstrip(b"\r\n")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if not key or len(key) > MAX_PASSWORD:
        raise ValueError(f"{path} must have a password of 1 to {MAX_PASSWORD} bytes")
    return Credential(user.encode(), key)


class StunServer:
    """
    Answers requests.

    @ivar credential: What requests must be protected by, or C{None}.
    @ivar classic: Whether clients of RFC 3489 are answered.
    """

    def __init__(
        self, credential: Credential | None = None, *, classic: bool = True
    ) -> None:
        """See the class."""
        self.credential = credential
        self.classic = classic

    def answer(
        self,
        data: bytes,
        source: Address,
        here: Address | None = None,
        other: Address | None = None,
    ) -> Answer | None:
        """
        Answer a datagram.

        @param source: Where it came from.
        @param here: The address that it was sent to, if that is known.
        @param other: The address of the other port, or C{None} if there is none.
        @return: C{None} for what is not answered.
        """
        try:
            asked = stun.parse(data)
        except StunError:
            return None
        if asked.kind != stun.REQUEST or asked.method != stun.BINDING:
            return None
        if asked.classic and not self.classic:
            return None
        if not stun.fingerprint_fits(asked):
            return None
        key = None
        if self.credential is not None:
            problem = self._check(asked, self.credential)
            if problem is not None:
                return self._refuse(asked, problem)
            key = self.credential.key
        unknown = [
            kind
            for kind, _, _ in asked.attributes
            if kind < stun.OPTIONAL and kind not in _UNDERSTOOD
        ]
        change = asked.get(stun.CHANGE_REQUEST)
        from_other = False
        if change is not None:
            flags = change[3] if len(change) == 4 else 0
            from_other = bool(flags & (stun.CHANGE_IP | stun.CHANGE_PORT))
            if not _can_change(flags, here, other):
                unknown.append(stun.CHANGE_REQUEST)
        if unknown:
            named = sorted(set(unknown))[:_MOST_NAMED]
            names = stun.unknown_attributes(named, asked.classic)
            return self._refuse(asked, 420, names, key)
        origin = other if from_other else here
        answer = self._success(asked, source, origin, other, key)
        return Answer(answer, from_other, _response_port(asked))

    def _check(self, asked: Message, credential: Credential) -> int | None:
        """Give the error of a request's credential; C{None} if it is right."""
        user = asked.get(stun.USERNAME)
        protected = any(
            asked.get(kind) is not None
            for kind in (stun.MESSAGE_INTEGRITY, stun.MESSAGE_INTEGRITY_SHA256)
        )
        if user is None or not protected:
            return 400
        if not hmac.compare_digest(user, credential.user):
            return 401
        return None if stun.integrity_fits(asked, credential.key) else 401

    def _refuse(
        self, asked: Message, code: int, more: bytes = b"", key: bytes | None = None
    ) -> Answer:
        data = self._write(asked, stun.ERROR, stun.error_code(code) + more, key)
        return Answer(data, to_port=_response_port(asked))

    def _success(
        self,
        asked: Message,
        source: Address,
        origin: Address | None,
        other: Address | None,
        key: bytes | None,
    ) -> bytes:
        if asked.classic:
            found = stun.attribute(stun.MAPPED_ADDRESS, stun.address(source))
            kinds = (stun.CHANGED_ADDRESS, stun.SOURCE_ADDRESS)
        else:
            mapped = stun.xor_address(source, asked.transaction)
            found = stun.attribute(stun.XOR_MAPPED_ADDRESS, mapped)
            kinds = (stun.OTHER_ADDRESS, stun.RESPONSE_ORIGIN)
        data = self._write(asked, stun.SUCCESS, found, key)
        for kind, address in zip(kinds, (other, origin), strict=True):
            if address is None or (other is None and not asked.classic):
                continue
            found += stun.attribute(kind, stun.address(address))
            longer = self._write(asked, stun.SUCCESS, found, key)
            # Over IPv6 that may be too much for who has sent no more than a header.
            if len(longer) > FACTOR * len(asked.raw):
                break
            data = longer
        return data

    def _write(
        self, asked: Message, kind: int, attributes: bytes, key: bytes | None
    ) -> bytes:
        """Write an answer, protected as the request was."""
        return stun.message(
            kind,
            asked.transaction,
            attributes,
            key=key,
            sha256=asked.get(stun.MESSAGE_INTEGRITY_SHA256) is not None,
            fingerprint=asked.get(stun.FINGERPRINT) is not None,
        )


def _response_port(asked: Message) -> int | None:
    """Give the port of RESPONSE-PORT (RFC 5780 section 7.5), if a request has one."""
    value = asked.get(stun.RESPONSE_PORT)
    if value is None or len(value) not in (2, 4):
        return None
    return int.from_bytes(value[:2], "big")


def _can_change(flags: int, here: Address | None, other: Address | None) -> bool:
    """
    Say whether an answer can leave as CHANGE-REQUEST asks.

    There is one other port, on the same address or on another one: to say nothing to
    what cannot be done would make a client believe that its NAT filters.
    """
    if not flags & (stun.CHANGE_IP | stun.CHANGE_PORT):
        return True
    if other is None or here is None:
        return False
    other_ip, other_port = here[0] != other[0], here[1] != other[1]
    return (
        bool(flags & stun.CHANGE_IP) == other_ip
        and bool(flags & stun.CHANGE_PORT) == other_port
    )
