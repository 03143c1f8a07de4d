"""
The words of a command line, in any order as with dig: names, types, classes, servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from netsvc.dns.errors import InvalidName
from netsvc.dns.rrtypes import CLASSES, IN, TYPES, parse_class, parse_type

#: Words that are classes. C{ANY} is a type, C{NONE} is of no use in a question.
_CLASSES = frozenset(CLASSES) - {"ANY", "NONE"}

#: Types that stand in messages, but are no question.
_NO_QUESTION = frozenset({TYPES["OPT"], TYPES["TSIG"], TYPES["TKEY"]})


class Words(NamedTuple):
    """
    What the words are.

    @ivar names: Names and addresses, as written.
    @ivar types: Record types; none if none was named.
    @ivar rclass: The class.
    @ivar servers: Servers and presets, without their C{@}.
    """

    names: tuple[str, ...]
    types: tuple[int, ...]
    rclass: int
    servers: tuple[str, ...]


def sort_words(words: Iterable[str]) -> Words:
    """
    Tell names, types, classes and servers apart.

    A word that is a type or a class is one; the name C{mx} is written C{mx.}.

    @raise InvalidName: A word is none of them.
    """
    names: list[str] = []
    types: list[int] = []
    classes: list[int] = []
    servers: list[str] = []
    for word in words:
        if word.startswith("@"):
            if word == "@":
                raise InvalidName("a server is written after the @")
            servers.append(word[1:])
        elif word.startswith("+"):
            hint = f"options are written --{word[1:]}, not {word}"
            raise InvalidName(f"{word!r} is no name ({hint})")
        elif word.upper() in _CLASSES or word.upper().startswith("CLASS"):
            _add_class(word, classes, names)
        else:
            _add_type(word, types, names)
    if len(set(classes)) > 1:
        raise InvalidName("more than one class")
    rclass = classes[0] if classes else IN
    return Words(tuple(names), _unique(types), rclass, tuple(servers))


def _add_class(word: str, classes: list[int], names: list[str]) -> None:
    try:
        classes.append(parse_class(word))
    except InvalidName:
        names.append(word)


def _add_type(word: str, types: list[int], names: list[str]) -> None:
    try:
        types.append(question_type(word))
    except InvalidName:
        if word.upper() in TYPES:
            raise
        names.append(word)


def question_type(word: str) -> int:
    """
    Read the type of a question.

    @raise InvalidName: It is none.
    """
    rtype = parse_type(word)
    if rtype in _NO_QUESTION:
        raise InvalidName(f"{word!r} is no type that can be asked for")
    return rtype


def _unique(types: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(types))
