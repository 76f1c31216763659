"""
Ports through which JSON passes as the text that is stored.

Only classes of this package are known: a subclass of somebody else's may look into what
it reads or writes, and has to be given what it knows.
"""

from __future__ import annotations

from typing import TypeAlias

from asm_async.coded import (
    CodedEventFeed,
    CodedQueryAPI,
    CodedSessionStore,
    CodedStateStore,
)
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.together import Ports
from asm_async.sql import SQLEventFeed, SQLQueryAPI, SQLSessionStore, SQLStateStore

_Coded: TypeAlias = CodedSessionStore | CodedStateStore | CodedQueryAPI | CodedEventFeed
_PACKAGE = __name__.partition(".")[0]


def passing(ports: Ports) -> Ports:
    """
    Return ports for those who pass on what they read, and do not look at it.

    Their values have the text of their JSON in its place wherever it can be had.
    """
    return Ports(
        store=_store(ports.store),
        state=ports.state,
        query=_query(ports.query),
        maintenance=ports.maintenance,
        feed=_feed(ports.feed),
        artifacts=ports.artifacts,
        text_search=ports.text_search,
    )


def takes_text(ports: Ports) -> bool:
    """
    Return whether values may be given to the stores with text in place of their JSON.
    """
    return _takes_text(ports.store) and _takes_text(ports.state)


def _takes_text(port: SessionStore | StateStore) -> bool:
    if isinstance(port, CodedSessionStore | CodedStateStore):
        return _passes(port) and _takes_text(port.behind)
    return type(port) in {SQLSessionStore, SQLStateStore}


def _store(store: SessionStore) -> SessionStore:
    if type(store) is SQLSessionStore:
        return store.undecoded()
    if isinstance(store, CodedSessionStore):
        store = store.lenient()
        if _passes(store):
            return store.over(_store(store.behind))
    return store


def _query(query: QueryAPI) -> QueryAPI:
    if type(query) is SQLQueryAPI:
        return query.undecoded()
    if isinstance(query, CodedQueryAPI) and _passes(query):
        return query.over(_query(query.behind))
    return query


def _feed(feed: EventFeed) -> EventFeed:
    if type(feed) is SQLEventFeed:
        return feed.undecoded()
    if isinstance(feed, CodedEventFeed) and _passes(feed):
        return feed.over(_feed(feed.behind))
    return feed


def _passes(port: _Coded) -> bool:
    is_known = type(port).__module__.partition(".")[0] == _PACKAGE
    return is_known and port.coder.passes_text
