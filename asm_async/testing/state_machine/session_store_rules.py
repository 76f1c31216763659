"""
The rules of the session store.
"""

from __future__ import annotations

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import rule

from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.testing.state_machine.choices import (
    EVENT_IDS,
    EVENT_TYPES,
    EVENTS,
    LIMITS,
    NUMBERS,
    RUN_FIELDS,
    RUN_IDS,
    RUN_STATUSES,
    SESSION_FIELDS,
    SESSION_IDS,
    SESSION_STATUSES,
    TEXTS,
    TIMES,
    EventChoice,
    Fields,
    build_event,
    some_of,
)
from asm_async.testing.state_machine.twins import TwinMachine
from asm_async.values.changes import Changes
from asm_async.values.execution_result import ExecutionResult

__all__ = ["SessionStoreRules"]

_READ = some_of(expected_tenant=TEXTS)
_SAVE = some_of(
    expected_tenant=TEXTS,
    expected_revision=NUMBERS,
    operation_id=st.sampled_from(["op_1", "op_2", "op_3"]),
)
_FLUSH = some_of(
    expected_tenant=TEXTS,
    expected_sequence=NUMBERS,
    expected_revision=NUMBERS,
    operation_id=st.sampled_from(["op_1", "op_2", "op_3"]),
)


class SessionStoreRules(TwinMachine):
    """
    Saves, appends, flushes, deletions and reads.
    """

    def save_first_contents(self) -> None:
        """
        Save a session, since little can be done without one.
        """
        self.both("session_store", "save_session", make_session())
        super().save_first_contents()

    @rule(id_=SESSION_IDS, fields=SESSION_FIELDS, options=_SAVE)
    def save_session(self, id_: str, fields: Fields, options: Fields) -> None:
        """
        Save a session.
        """
        session = make_session(id=id_, **fields)
        self.both("session_store", "save_session", session, **options)

    @rule(session_id=SESSION_IDS, options=_READ, again=_SAVE)
    def save_session_again(
        self, session_id: str, options: Fields, again: Fields
    ) -> None:
        """
        Save a session as it is stored.
        """
        session = self.both("session_store", "get_session", session_id, **options)
        if session is not None:
            self.both("session_store", "save_session", session, **again)

    @rule(id_=RUN_IDS, session_id=SESSION_IDS, fields=RUN_FIELDS, options=_SAVE)
    def save_run(
        self, id_: str, session_id: str, fields: Fields, options: Fields
    ) -> None:
        """
        Save a run.
        """
        run = make_run(id=id_, session_id=session_id, **fields)
        self.both("session_store", "save_run", run, **options)

    @rule(session_id=SESSION_IDS, event=EVENTS, expected=NUMBERS)
    def append_event(
        self, session_id: str, event: EventChoice, expected: int | None
    ) -> None:
        """
        Append one event.
        """
        self.both(
            "session_store",
            "append_event",
            build_event(session_id, event),
            expected_sequence=expected,
        )

    @rule(session_id=SESSION_IDS, event=EVENTS, expected=NUMBERS)
    def append_event_with_sequence(
        self, session_id: str, event: EventChoice, expected: int | None
    ) -> None:
        """
        Append one event and see its number.
        """
        self.both(
            "session_store",
            "append_event_with_sequence",
            build_event(session_id, event),
            expected_sequence=expected,
        )

    @rule(batch=st.lists(st.tuples(SESSION_IDS, EVENTS), max_size=4), expected=NUMBERS)
    def append_events(
        self, batch: list[tuple[str, EventChoice]], expected: int | None
    ) -> None:
        """
        Append a batch, of one session or several.
        """
        events = [build_event(session_id, event) for session_id, event in batch]
        self.both("session_store", "append_events", events, expected_sequence=expected)

    @rule(
        batch=st.lists(st.tuples(SESSION_IDS, EVENTS), min_size=1, max_size=3),
        tenant=TEXTS,
    )
    def append_as_a_tenant(
        self, batch: list[tuple[str, EventChoice]], tenant: str
    ) -> None:
        """
        Append to sessions that a tenant takes to be its own.
        """
        events = [build_event(session_id, event) for session_id, event in batch]
        self.both("session_store", "append_events", events, expected_tenant=tenant)

    @rule(session_id=SESSION_IDS, batch=st.lists(EVENTS, min_size=1, max_size=3))
    def append_behind_the_latest(
        self, session_id: str, batch: list[EventChoice]
    ) -> None:
        """
        Append with the expectation that is right, twice.
        """
        events = [build_event(session_id, event) for event in batch]
        latest = self.both("session_store", "get_latest_sequence", session_id)
        for _ in range(2):
            self.both(
                "session_store", "append_events", events, expected_sequence=latest
            )

    @rule(session_id=SESSION_IDS)
    def append_what_was_stored(self, session_id: str) -> None:
        """
        Append events that carry their numbers, and again without.
        """
        stored = self.both("session_store", "get_events", session_id, last=2)
        self.both("session_store", "append_events", stored)
        events = [attrs.evolve(event, sequence_number=0) for event in stored]
        self.both("session_store", "append_events", events)

    @rule(
        session_id=SESSION_IDS,
        session=st.none() | SESSION_FIELDS,
        run_id=RUN_IDS,
        run=st.none() | RUN_FIELDS,
        batch=st.lists(EVENTS, max_size=2),
        options=_FLUSH,
    )
    def flush(
        self,
        *,
        session_id: str,
        session: Fields | None,
        run_id: str,
        run: Fields | None,
        batch: list[EventChoice],
        options: Fields,
    ) -> None:
        """
        Store a session, a run and events, or some of these.
        """
        if session is None and run is None and not batch:
            return
        saved = None if session is None else make_session(id=session_id, **session)
        ran = None
        if run is not None:
            ran = make_run(id=run_id, session_id=session_id, **run)
        events = tuple(build_event(session_id, event) for event in batch)
        result = ExecutionResult(session=saved, run=ran, events=events)
        for _ in range(2 if "operation_id" in options else 1):
            self.both("session_store", "flush", result, **options)

    @rule(
        session_id=SESSION_IDS,
        session=st.none() | SESSION_FIELDS,
        creates=st.booleans(),
        runs=st.dictionaries(RUN_IDS, RUN_FIELDS, max_size=2),
        batch=st.lists(EVENTS, max_size=2),
        of_runs=st.dictionaries(RUN_IDS, st.integers(0, 3), max_size=2),
        options=_FLUSH,
    )
    def commit(
        self,
        *,
        session_id: str,
        session: Fields | None,
        creates: bool,
        runs: dict[str, Fields],
        batch: list[EventChoice],
        of_runs: dict[str, int],
        options: Fields,
    ) -> None:
        """
        Store a session or create it, runs and events, or some of these.
        """
        if session is None and not runs and not batch:
            return
        saved = None if session is None else make_session(id=session_id, **session)
        changes = Changes(
            session=None if creates else saved,
            create_session=saved if creates else None,
            runs=tuple(
                make_run(id=run_id, session_id=session_id, **run)
                for run_id, run in runs.items()
            ),
            events=tuple(build_event(session_id, event) for event in batch),
        )
        options = options | {"expected_revisions": of_runs}
        for _ in range(2 if "operation_id" in options else 1):
            self.both("session_store", "commit", changes, **options)

    @rule(
        session_id=SESSION_IDS,
        ends=st.tuples(st.integers(0, 8), st.integers(0, 8)),
        replacement=st.lists(EVENTS, max_size=2),
        operation_id=st.sampled_from(["evt_1", "ret_1", "ret_2", "ret_3", "ret_4"]),
        options=some_of(expected_tenant=TEXTS, expected_sequence=NUMBERS),
        times=st.integers(1, 2),
    )
    def retract_events(
        self,
        *,
        session_id: str,
        ends: tuple[int, int],
        replacement: list[EventChoice],
        operation_id: str,
        options: Fields,
        times: int,
    ) -> None:
        """
        Hide events, once or twice, and see what is left.
        """
        first, last = ends
        events = [build_event(session_id, event) for event in replacement]
        for _ in range(times):
            self.both(
                "session_store",
                "retract_events",
                session_id,
                first=first,
                last=last,
                replacement=events,
                operation_id=operation_id,
                **options,
            )
        self.both("session_store", "get_events", session_id, visible_only=True)

    @rule(
        source_id=SESSION_IDS,
        id_=st.sampled_from(["ses_1", "ses_2", "copy_1", "copy_2"]),
        fields=SESSION_FIELDS,
        options=some_of(
            through=NUMBERS,
            expected_tenant=TEXTS,
            operation_id=st.sampled_from(["op_1", "op_2"]),
        ),
        times=st.integers(1, 2),
    )
    def copy_session(
        self, *, source_id: str, id_: str, fields: Fields, options: Fields, times: int
    ) -> None:
        """
        Copy a session, mostly as one of its own tenant, and go on with the copy.
        """
        source = self.both("session_store", "get_session", source_id)
        tenant_id = None if source is None else source.tenant_id
        given = {"tenant_id": tenant_id} | fields | {"parent_session_id": None}
        for _ in range(times):
            target = make_session(id=id_, **given)
            self.both("session_store", "copy_session", source_id, target, **options)
        event = make_event(id="evt_9", session_id=id_)
        self.both("session_store", "append_event_with_sequence", event)
        for visible_only in (False, True):
            self.both("session_store", "get_events", id_, visible_only=visible_only)

    @rule(session_id=SESSION_IDS, options=_READ)
    def delete_session(self, session_id: str, options: Fields) -> None:
        """
        Remove a session for good.
        """
        self.both("session_store", "delete_session", session_id, **options)

    @rule(
        filters=some_of(
            status=SESSION_STATUSES,
            agent_id=TEXTS,
            tenant_id=TEXTS,
            user_id=TEXTS,
            include_deleted=st.booleans(),
            with_context=st.booleans(),
            limit=LIMITS,
            offset=st.integers(-1, 2),
        )
    )
    def list_sessions(self, filters: Fields) -> None:
        """
        List sessions.
        """
        self.both("session_store", "list_sessions", **filters)

    @rule(id_=RUN_IDS, options=_READ)
    def get_run(self, id_: str, options: Fields) -> None:
        """
        Read a run.
        """
        self.both("session_store", "get_run", id_, **options)

    @rule(
        session_id=SESSION_IDS,
        filters=some_of(status=RUN_STATUSES, limit=LIMITS, expected_tenant=TEXTS),
    )
    def list_runs(self, session_id: str, filters: Fields) -> None:
        """
        List a session's runs.
        """
        self.both("session_store", "list_runs", session_id, **filters)

    @rule(session_id=SESSION_IDS, options=_READ)
    def get_active_run(self, session_id: str, options: Fields) -> None:
        """
        Read a session's running run, and its latest number.
        """
        self.both("session_store", "get_active_run", session_id, **options)
        self.both("session_store", "get_latest_sequence", session_id, **options)

    @rule(
        session_id=SESSION_IDS,
        filters=some_of(
            run_id=RUN_IDS,
            type=EVENT_TYPES,
            correlation_id=TEXTS,
            visible_only=st.booleans(),
            ids=st.lists(EVENT_IDS, max_size=3),
            since=TIMES,
            after=st.integers(-1, 4),
            before=st.integers(-1, 6),
            limit=LIMITS,
            last=LIMITS,
            wait_timeout=st.just(0),
            expected_tenant=TEXTS,
        ),
    )
    def get_events(self, session_id: str, filters: Fields) -> None:
        """
        Read a session's events.
        """
        self.both("session_store", "get_events", session_id, **filters)

    def compare_contents(self) -> None:
        """
        Compare all sessions, their runs, events and latest numbers.
        """
        super().compare_contents()
        self.both("session_store", "list_sessions", include_deleted=True)
        for session_id in ("ses_1", "ses_2"):
            self.both("session_store", "list_runs", session_id)
            self.both("session_store", "get_events", session_id)
            self.both("session_store", "get_events", session_id, visible_only=True)
            self.both("session_store", "get_latest_sequence", session_id)
