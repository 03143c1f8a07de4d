"""What the command does with the questions of its command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred

from netsvc.dns.asking import Asks
from netsvc.dns.errors import DNSError, InvalidName, LookupFailed
from netsvc.dns.lookups.comparison import Said, judge
from netsvc.dns.lookups.describe import (
    error_object,
    json_line,
    outcome_object,
    record_object,
    result_object,
    yaml_document,
)
from netsvc.dns.lookups.engine import Engine
from netsvc.dns.lookups.outcome import Interrupted, Outcome
from netsvc.dns.lookups.request import Form, Item
from netsvc.dns.lookups.spans import NOTE, Line, span
from netsvc.dns.lookups.view import (
    data_lines,
    failure_text,
    outcome_lines,
    question_text,
    record_lines,
    server_text,
    short_lines,
    zone_name,
)
from netsvc.dns.options import QueryOptions
from netsvc.dns.result import Question, Record, Result
from netsvc.dns.rrtypes import AXFR
from netsvc.dns.servers import HTTPS, Server

if TYPE_CHECKING:
    from netsvc.dns.lookups.main import Run
    from netsvc.dns.lookups.trace import Step


def show_object(run: Run, value: dict[str, Any]) -> None:
    """Write an object as the request wants it: JSON or YAML."""
    is_yaml = run.request.form is Form.YAML
    run.out.text(yaml_document(value) if is_yaml else json_line(value))
    run.out.flush()


def is_for_programs(run: Run) -> bool:
    """Tell whether objects are to be written, and no lines."""
    return run.request.form in (Form.JSON, Form.YAML)


def show(run: Run, outcome: Outcome) -> None:
    """Write what became of a question, and count it."""
    if outcome.result is not None:
        run.answered += 1
    else:
        run.failed += 1
    if is_for_programs(run):
        show_object(run, outcome_object(outcome))
        return
    short = run.request.form is Form.SHORT
    run.out.lines(short_lines(outcome) if short else outcome_lines(outcome))
    run.out.flush()
    if outcome.error is not None:
        asked = question_text(outcome.question, outcome.name)
        run.complain(f"{asked}: {failure_text(outcome.error)}")
        for error in outcome.errors:
            if error is not outcome.error:
                run.complain(failure_text(error))


# Lookups.


async def look_up(run: Run) -> None:
    """Ask all questions at once, and write the answers in their order."""
    request = run.request
    engine = Engine(run.reactor, run.servers, request, request.settings)
    asked = [
        Deferred.fromCoroutine(_ask(engine.asks, item, request.options))
        for item in request.items
    ]
    for each in asked:
        run.on_stop(each.cancel)
    try:
        for index, each in enumerate(asked):
            outcome = await each
            if index and request.form is Form.TEXT:
                run.out.text("")
            show(run, outcome)
    finally:
        engine.close()


async def _ask(asks: Asks, item: Item, options: QueryOptions) -> Outcome:
    """Ask for the names that a short name may stand for, until one exists."""
    question = Question(item.candidates[0], item.rtype, item.rclass)
    result: Result | None = None
    try:
        for wire in item.candidates:
            question = question._replace(name=wire)
            result = await asks.query(wire, item.rtype, item.rclass, options)
            if result.exists:
                break
    except DNSError as error:
        return Outcome(item.name, question, error=error)
    except CancelledError:
        return Outcome(item.name, question, error=Interrupted("interrupted"))
    return Outcome(item.name, question, result)


# Comparison.


async def compare(run: Run) -> None:
    """Ask all servers each question at once, and compare."""
    from netsvc.dns.lookups.comparing import (
        ask_all,
        comparison_lines,
        comparison_object,
        look_for_rewriting,
    )

    request = run.request
    engine = Engine(run.reactor, run.servers, request, request.settings)
    without = [
        Said(server, error=problem)
        for problem in run.problems
        for server in request.servers
        if str(problem).startswith(f"{server}:")
    ]
    run.on_stop(engine.close)
    try:
        for item in request.items:
            if run.was_stopped:
                break
            question = Question(item.candidates[0], item.rtype, item.rclass)
            said = await ask_all(engine.asks, run.servers, question, request.options)
            label = os.urandom(8).hex()
            said = await look_for_rewriting(
                engine.resolver, said, request.options, label
            )
            said += without
            verdicts = judge(said)
            answers = sum(each.result is not None for each in said)
            run.answered += answers
            run.failed += len(said) - answers
            if is_for_programs(run):
                found = comparison_object(item.name, question, said, verdicts)
                show_object(run, found)
            else:
                title = question_text(question, item.name)
                run.out.lines(comparison_lines(title, said, verdicts))
                run.out.flush()
    finally:
        engine.close()


# Iteration.


async def trace(run: Run) -> None:
    """Follow each question from the root."""
    from netsvc.dns.lookups.trace import Tracer

    request = run.request

    async def ask(
        servers: tuple[Server, ...], name: bytes, rtype: int, rclass: int
    ) -> Result:
        engine = Engine(run.reactor, servers, request, request.settings)
        options = replace(request.options, recursion=False)
        try:
            return await engine.asks.query(name, rtype, rclass, options)
        finally:
            engine.close()

    for item in request.items:
        steps: list[Step] = []
        name, wire = item.name, item.candidates[0]

        def seen(step: Step, steps: list[Step] = steps) -> None:
            steps.append(step)
            if request.form is Form.TEXT:
                run.out.lines(_step_lines(step))
                run.out.flush()

        tracer = Tracer(ask, run.servers, seen)
        work = Deferred.fromCoroutine(tracer.trace(wire, item.rtype, item.rclass))
        run.on_stop(work.cancel)
        question = Question(wire, item.rtype, item.rclass)
        try:
            outcome = Outcome(name, question, await work)
        except DNSError as error:
            outcome = Outcome(name, question, error=error)
        except CancelledError:
            outcome = Outcome(name, question, error=Interrupted("interrupted"))
        if is_for_programs(run):
            run.answered += outcome.error is None
            run.failed += outcome.error is not None
            found = outcome_object(outcome)
            show_object(run, found | {"steps": [_step_object(each) for each in steps]})
        else:
            show(run, outcome)


def _step_lines(step: Step) -> list[Line]:
    """Write a referral; the answer itself is written at the end."""
    if not step.referral:
        return []
    cut = zone_name(step.referral[0].owner)
    text = f"; {zone_name(step.zone)} refers to {cut}: {server_text(step.result)}"
    return [*record_lines(step.referral), (span(text, NOTE),), ()]


def _step_object(step: Step) -> dict[str, Any]:
    return {
        "zone": zone_name(step.zone),
        "referral": [record_object(record) for record in step.referral],
        **result_object(step.result),
    }


# Zone transfers.


async def transfer(run: Run) -> None:
    """Transfer each zone from the first server that gives it."""
    for item in run.request.items:
        question = Question(item.candidates[0], AXFR, item.rclass)
        try:
            await _transfer(run, question)
            run.answered += 1
        except LookupFailed as error:
            run.failed += 1
            if is_for_programs(run):
                show_object(run, {"name": item.name, "error": error_object(error)})
            elif run.out.failure is None:
                text = f"{question_text(question, item.name)}: {failure_text(error)}"
                run.complain(text)


async def _transfer(run: Run, question: Question) -> None:
    from netsvc.dns.lookups.transfer import Transfer

    settings = run.request.settings
    last = len(run.servers) - 1
    for index, server in enumerate(run.servers):
        if server.transport == HTTPS:
            raise InvalidName("a zone is transferred over TCP or TLS, not HTTPS")
        attempt = Transfer(
            run.reactor,
            server,
            question,
            os.urandom(2),
            settings.total,
            _taker(run),
        )
        work = attempt.start(settings.authorities)
        run.on_stop(work.cancel)
        try:
            await work
        except CancelledError:
            raise Interrupted("interrupted") from None
        except LookupFailed as error:
            # Once a part is written there is no beginning again.
            if index == last or attempt.records:
                raise
            run.complain(failure_text(error))
            continue
        if not is_for_programs(run) and run.request.form is not Form.SHORT:
            text = f"; {attempt.records} records, {attempt.size} bytes from {server}"
            run.out.lines([(span(text, NOTE),)])
        return


def _taker(run: Run) -> Callable[[tuple[Record, ...]], None]:
    """Make what writes records."""

    lines = data_lines if run.request.form is Form.SHORT else record_lines

    def take(records: tuple[Record, ...]) -> None:
        if is_for_programs(run):
            for record in records:
                show_object(run, record_object(record))
        else:
            run.out.lines(lines(records))

    return take
