"""
Runs of an import beside those that are stored.
"""

from __future__ import annotations

import hashlib

import attrs

from asm_async.errors import InvalidTransitionError
from asm_async.importers.importer import IMPORTED
from asm_async.importers.lines import members_of
from asm_async.values.json_values import encode_json
from asm_async.values.run import Run, RunStatus

_DIGEST = "digest"


def with_digest(run: Run, kind: str) -> Run:
    """
    Return a run that says in its metadata where it is from, and with which content.

    By the digest a later import sees whether the source has more of it, also where a
    store keeps other content than it was given, such as one that redacts.
    """
    digest = hashlib.sha256(encode_json(run.to_dict()).encode()).hexdigest()[:32]
    origin = {"kind": kind, _DIGEST: digest}
    return attrs.evolve(run, metadata={**run.metadata, IMPORTED: origin})


def merged_run(stored: Run, run: Run) -> Run:
    """
    Return what is to be saved of *run*; *stored* itself if that is all of it already.

    What others have written to the stored run stays: its metadata, and its cost unless
    the source tells one.

    Raises:
        InvalidTransitionError: If *stored* is of somebody else, or has ended in another
            way.
    """
    origin = members_of(stored.metadata.get(IMPORTED))
    if not origin:
        raise InvalidTransitionError(
            f"run {stored.id!r}, which was not imported,", stored.status, run.status
        )
    is_elsewhere = stored.session_id != run.session_id
    if origin == run.metadata[IMPORTED] or is_elsewhere:
        # Some programs copy a session's past into the file of the one that goes on:
        # the run counts once, where it was found first.
        return stored
    if run.status is RunStatus.PENDING is not stored.status:
        # A beginning of what is stored, without an answer yet, takes nothing back.
        return stored
    stored.check_can_become(run.status)
    return attrs.evolve(
        run,
        metadata={**stored.metadata, **run.metadata},
        cost_usd=stored.cost_usd if run.cost_usd is None else run.cost_usd,
    )
