"""
Processes that erase and are killed.
"""

from __future__ import annotations

from pathlib import Path

from asm_async.artifacts import ArtifactLibrary
from asm_async.files import LocalArtifactStore
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import (
    make_events,
    make_execution_result,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.session import Session
from tests.artifact_stores import files_in
from tests.fault.killed_processes import kill_until_done
from tests.integration.by_hand import issues_of


async def fill(ports: SQLPorts, library: ArtifactLibrary, session: Session) -> None:
    """
    Store a session with all it can have, among it a content that others name too.
    """
    await ports.store.flush(
        make_execution_result(
            session=session,
            run=make_run(id=f"run_of_{session.id}", session_id=session.id),
            events=make_events(3, session_id=session.id),
        )
    )
    item = make_item(key=session.id, session_id=session.id)
    await ports.state.save_items([item])
    for content in (session.id.encode(), b"shared"):
        await library.save(content, session_id=session.id)


async def test_what_a_killed_erasure_leaves_the_next_one_erases(
    url: str, tmp_path: Path
) -> None:
    """
    Killed at any statement: children, contents and long sessions are not forgotten.
    """
    engine = create_engine(url)
    ports = SQLPorts(engine)
    contents = LocalArtifactStore(tmp_path / "contents")
    library = ArtifactLibrary(ports.artifacts, contents)
    anns = [make_session(id=f"ses_{number}", user_id="ann") for number in range(2)]
    child = make_session(id="child", parent_session_id="ses_0")
    bobs = make_session(id="bobs", user_id="bob", parent_session_id="ses_0")
    for session in (*anns, child, bobs):
        await fill(ports, library, session)
    await ports.store.append_events(make_events(2_500, first=4, session_id="ses_0"))
    kept = await ports.query.export_session("bobs")
    await ports.aclose()
    await engine.dispose()

    assert await kill_until_done("erase", url, tmp_path / "contents") > 3

    ports = SQLPorts(engine)
    assert await ports.store.list_sessions(include_deleted=True) == [kept.session]
    assert await ports.query.export_session("bobs") == kept
    assert len(await ports.state.list_items("app/user")) == 1
    assert await issues_of(engine) == set()
    names = {artifact.checksum_sha256 for artifact in kept.artifacts}
    left = {path.name for path in files_in(tmp_path / "contents")}
    assert left - {"lock"} == names
    await ports.aclose()
    await engine.dispose()
