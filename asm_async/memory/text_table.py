"""
The texts that were indexed, as one database has them for all its adapters.
"""

from __future__ import annotations

import attrs

from asm_async.conventions.titles import title_in
from asm_async.values.event import Event
from asm_async.values.search_terms import terms_of
from asm_async.values.session import Session
from asm_async.values.text_query import indexed_text


@attrs.frozen
class IndexedText:
    """
    What is indexed of an event.
    """

    event_id: str
    role: str | None
    text: str
    """
    Its terms, as ``indexed_text`` writes them.
    """


@attrs.frozen
class IndexedTitle:
    """
    What is indexed of a session, and of which revision of it.
    """

    revision: int
    text: str


@attrs.frozen
class TextTable:
    """
    Indexed texts by session id and sequence number, and titles by session id.
    """

    texts: dict[str, dict[int, IndexedText]] = attrs.field(
        factory=dict[str, dict[int, IndexedText]], init=False
    )
    titles: dict[str, IndexedTitle] = attrs.field(
        factory=dict[str, IndexedTitle], init=False
    )

    def put(self, event: Event, role: str | None, text: str) -> None:
        """
        Index the text of an event.
        """
        texts = self.texts.setdefault(event.session_id, {})
        texts[event.sequence_number] = IndexedText(event.id, role, text)

    def put_title(self, session: Session) -> None:
        """
        Index the title of a session, unless that was done at this revision.
        """
        indexed = self.titles.get(session.id)
        if indexed is None or indexed.revision != session.revision:
            text = indexed_text(terms_of(title_in(session.metadata)))
            self.titles[session.id] = IndexedTitle(session.revision, text)

    def forget(self, event: Event) -> None:
        """
        Remove what is indexed of an event, if anything is.
        """
        self.texts.get(event.session_id, {}).pop(event.sequence_number, None)

    def remove_session(self, session_id: str) -> None:
        """
        Remove all that is indexed of a session.
        """
        self.texts.pop(session_id, None)
        self.titles.pop(session_id, None)

    def clear(self) -> None:
        """
        Remove everything.
        """
        self.texts.clear()
        self.titles.clear()
