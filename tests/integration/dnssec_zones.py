"""Signed zones below C{judge.}, good and broken, made by BIND's and ldns's tools."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.rdatatype
import dns.zone

from netsvc.dns.dnssec.status import EDE
from tests.integration.echo_process import PATIENCE, tool

TOP = "judge."

#: How many programs run at once.
AT_ONCE = 8

_HEAD = """\
$TTL 300
@ SOA ns admin 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
"""

_RECORDS = """\
@ MX 10 mail
www A 192.0.2.1
www TXT "hello"
*.wild A 192.0.2.2
*.turn CNAME www
alias CNAME www
tree DNAME wild
deep.below.empty A 192.0.2.3
bare NS ns.bare
ns.bare A 127.0.0.1
zz A 192.0.2.4
"""

_BARE = _HEAD + "www A 192.0.2.9\n"


#: Questions, with the zone's name left out, by what is needed to judge the answer.
DATA = (("www", "A"), ("www", "TXT"), ("", "MX"), ("", "DNSKEY"), ("alias", "A"))
NODATA = (("www", "AAAA"), ("empty", "A"), ("alias", "AAAA"))
COVERED = (
    ("no", "A"),
    ("a.b.www", "A"),
    ("x.wild", "A"),
    ("x.wild", "TXT"),
    ("x.turn", "A"),
    ("x.tree", "A"),
)
BARE = (("www.bare", "A"), ("no.bare", "A"))


@dataclass(frozen=True)
class Kind:
    """How a zone is made, and what all must find about it.

    @ivar status: of its data.
    @ivar nodata: of denials of a type, if it is another.
    @ivar covered: of denials of a name, and of wildcards, if it is another.
    @ivar bare: of the unsigned child.
    @ivar options: of dnssec-signzone; L{None}: the zone is not signed.
    @ivar delegated: whether the parent has DS records: C{"yes"}, C{"no"},
        C{"wrong"} ones.
    @ivar break_at: a name and type whose signature is broken.
    @ivar broken: the questions that are bogus for that.
    @ivar iterations: of NSEC3, too many for BIND's tools.
    @ivar reason: why the address of a name is judged as it is.
    """

    status: str = "secure"
    nodata: str = ""
    covered: str = ""
    bare: str = "insecure"
    options: tuple[str, ...] | None = ()
    delegated: str = "yes"
    break_at: tuple[str, str] | None = None
    broken: tuple[tuple[str, str], ...] = ()
    algorithm: str = "ECDSAP256SHA256"
    iterations: int = 0
    reason: tuple[str, EDE] | None = None

    def expected(self) -> dict[tuple[str, str], str]:
        """Give the status of each question."""
        found = dict.fromkeys(DATA, self.status)
        found |= dict.fromkeys(NODATA, self.nodata or self.status)
        found |= dict.fromkeys(COVERED, self.covered or self.status)
        found |= dict.fromkeys(BARE, self.bare)
        return found | dict.fromkeys(self.broken, "bogus")


def _bogus(**how: Any) -> Kind:
    return Kind("bogus", bare="bogus", **how)


DENIALS = {
    "nsec": Kind(),
    "nsec3": Kind(options=("-3", "abcd", "-H", "5")),
    "optout": Kind(options=("-3", "-", "-A"), covered="insecure"),
    "many": Kind(
        iterations=200,
        nodata="insecure",
        covered="insecure",
        reason=("no", EDE.NSEC3_ITERATIONS),
    ),
}

ALGORITHMS = {
    "rsa": Kind(algorithm="RSASHA256"),
    "rsa512": Kind(algorithm="RSASHA512"),
    "p384": Kind(algorithm="ECDSAP384SHA384"),
    "ed25519": Kind(algorithm="ED25519"),
    "ed448": Kind(algorithm="ED448"),
}

UNSIGNED = {
    "plain": Kind("insecure", options=None, delegated="no"),
    "nods": Kind("insecure", delegated="no"),
    "wrongds": _bogus(delegated="wrong", reason=("www", EDE.DNSKEY_MISSING)),
    "unsigned": _bogus(
        options=None, delegated="wrong", reason=("www", EDE.DNSKEY_MISSING)
    ),
}

BROKEN = {
    "expired": _bogus(
        options=("-s", "20200101000000", "-e", "20200201000000"),
        reason=("www", EDE.EXPIRED),
    ),
    "future": _bogus(
        options=("-s", "20600101000000", "-e", "20600201000000"),
        reason=("www", EDE.NOT_YET_VALID),
    ),
    "badkey": _bogus(break_at=("", "DNSKEY"), reason=("www", EDE.BOGUS)),
    "badsig": Kind(
        break_at=("www", "A"),
        broken=(("www", "A"), ("alias", "A"), ("x.turn", "A")),
        reason=("www", EDE.BOGUS),
    ),
    "baddenial": Kind(
        break_at=("www", "NSEC"),
        broken=(("www", "AAAA"), ("alias", "AAAA"), ("a.b.www", "A")),
    ),
}


class Zones:
    """The zones, as files in a folder.

    @ivar files: they, by their names.
    @ivar anchor: a DS record of the one above them.
    """

    def __init__(self, folder: Path, kinds: Mapping[str, Kind]) -> None:
        """Make and sign them all.

        @param kinds: how they are made, by their labels.
        @raise SkipTest: the tools are not installed.
        """
        self._folder = folder
        self.files: dict[str, Path] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            delegations = list(pool.map(self._make, kinds, kinds.values()))
        self.anchor = self._sign(TOP, "".join([_HEAD, *delegations]), Kind())[0]

    def _make(self, label: str, kind: Kind) -> str:
        """Make a zone and its unsigned child; give its delegation."""
        origin = f"{label}.{TOP}"
        self._write(f"bare.{origin}", _BARE)
        delegation = f"{label} NS ns.{label}\nns.{label} A 127.0.0.1\n"
        records: list[str] = []
        if kind.options is None:
            self._write(origin, _HEAD + _RECORDS)
        else:
            records = self._sign(origin, _HEAD + _RECORDS, kind)
        if kind.break_at is not None:
            self._break(origin, *kind.break_at)
        if kind.delegated == "wrong":
            records = [f"{origin} IN DS 4711 13 2 {'00' * 32}"]
        elif kind.delegated == "no":
            records = []
        return delegation + "".join(f"{record}\n" for record in records)

    def _write(self, origin: str, text: str) -> Path:
        path = self._folder / f"{origin}zone"
        path.write_text(f"$ORIGIN {origin}\n{text}")
        self.files[origin] = path
        return path

    def _run(self, *command: str) -> str:
        run = subprocess.run(
            [tool(command[0]), *command[1:]],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert run.returncode == 0, (command, run.stderr)
        return run.stdout

    def _sign(self, origin: str, text: str, kind: Kind) -> list[str]:
        """Sign a zone; give its DS records."""
        path = self._write(origin, text)
        size = ("-b", "2048") if kind.algorithm.startswith("RSA") else ()
        key = self._run(
            "dnssec-keygen", "-q", "-a", kind.algorithm, *size, "-f", "KSK", origin
        ).strip()
        signed = path.with_suffix(".signed")
        if kind.iterations:
            # BIND does not sign with so many; ldns does.
            number = str(kind.iterations)
            self._run(
                *("ldns-signzone", "-n", "-t", number, "-s", "abcd", "-f", str(signed)),
                *(str(path), key),
            )
        else:
            self._run(
                *("dnssec-signzone", "-q", "-S", "-z", "-P", "-o", origin),
                *(*(kind.options or ()), "-f", str(signed), str(path), key),
            )
        self.files[origin] = signed
        text = self._run("dnssec-dsfromkey", "-2", f"{key}.key")
        return text.splitlines()

    def _break(self, origin: str, owner: str, rdtype: str) -> None:
        """Change a byte of each signature of an RRset."""
        path = self.files[origin]
        zone = dns.zone.from_file(str(path), origin, relativize=False)
        node = zone.find_node(f"{owner}.{origin}" if owner else origin)
        covers = dns.rdatatype.from_text(rdtype)
        rdataset = node.find_rdataset(zone.rdclass, dns.rdatatype.RRSIG, covers)
        for record in list(rdataset):
            signature = bytes((record.signature[0] ^ 1,)) + record.signature[1:]
            rdataset.remove(record)
            rdataset.add(record.replace(signature=signature), rdataset.ttl)
        zone.to_file(str(path), relativize=False)
