from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.testing.factories import NOON, make_artifact
from asm_async.values.artifact import Artifact, ArtifactContent, ArtifactStats

CHECKSUM = "ab" * 32
CONTENT = ArtifactContent(
    byte_size=5,
    checksum_sha256=CHECKSUM,
    storage_backend="local",
    storage_ref=f"ab/{CHECKSUM}",
)


def test_a_new_artifact_has_an_id_a_time_and_its_content() -> None:
    """
    Its key is its id, unless given.
    """
    before = datetime.now(UTC)
    artifact = Artifact.new(content=CONTENT)

    assert artifact.id.startswith("art_")
    assert artifact.key == artifact.id
    assert before <= artifact.created_at <= datetime.now(UTC)
    assert artifact.deleted_at is None
    for field in attrs.fields(ArtifactContent):
        assert getattr(artifact, field.name) == getattr(CONTENT, field.name)


def test_a_new_artifact_takes_what_it_is_given() -> None:
    """
    Id and time among it.
    """
    given: dict[str, Any] = {
        "id": "art_1",
        "key": "report.md",
        "session_id": "ses_1",
        "run_id": "run_1",
        "content_type": "text/markdown",
        "metadata": {"a": (1, 2)},
        "created_at": NOON.astimezone(timezone(timedelta(hours=2))),
    }
    artifact = Artifact.new(content=CONTENT, **given)

    assert artifact.metadata == {"a": [1, 2]}
    assert artifact.created_at == NOON
    assert artifact.created_at.tzinfo is UTC
    for name in given.keys() - {"metadata", "created_at"}:
        assert getattr(artifact, name) == given[name]


def test_an_artifact_survives_json() -> None:
    """
    ``from_dict`` takes what ``to_dict`` gives, and fills in what is optional.
    """
    artifact = make_artifact(metadata={"a": None}, deleted_at=NOON)
    plain = artifact.to_dict()

    assert Artifact.from_dict(plain) == artifact
    required = {
        "id",
        "key",
        "byte_size",
        "checksum_sha256",
        "storage_backend",
        "storage_ref",
        "created_at",
    }
    least = Artifact.from_dict({name: plain[name] for name in required})
    assert (least.session_id, least.metadata, least.deleted_at) == (None, {}, None)
    for name in required:
        without = {key: value for key, value in plain.items() if key != name}
        with pytest.raises(ValidationError, match=f"{name}: this required field"):
            Artifact.from_dict(without)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, r"^id: expected 1 to 255"),
        ({"key": None}, r"^key: expected text"),
        ({"byte_size": -1}, r"^byte_size: the number is not within"),
        ({"byte_size": 1.0}, r"^byte_size: expected a whole number"),
        ({"checksum_sha256": "ab"}, r"^checksum_sha256: expected 64 lower-case"),
        ({"checksum_sha256": "AB" * 32}, r"^checksum_sha256: .* 64 lower-case"),
        ({"checksum_sha256": "\u0661" * 64}, r"^checksum_sha256: expected 64"),
        ({"checksum_sha256": b"ab" * 32}, r"^checksum_sha256: expected text"),
        ({"storage_backend": "a\0"}, r"^storage_backend: .* NUL"),
        ({"storage_ref": ""}, r"^storage_ref: expected 1 to 2048 characters, got 0"),
        ({"storage_ref": "x" * 2049}, r"^storage_ref: expected 1 to 2048 characters"),
        ({"storage_ref": "x" * 500 + "\0"}, r"^storage_ref: .* NUL"),
        ({"storage_ref": "x" * 500 + "\ud800"}, r"^storage_ref: .* lone surrogate"),
        ({"storage_ref": 1}, r"^storage_ref: expected text, got an int"),
        ({"session_id": "x" * 256}, r"^session_id: expected 1 to 255"),
        ({"run_id": ""}, r"^run_id: expected 1 to 255"),
        ({"content_type": 1}, r"^content_type: expected text"),
        ({"metadata": [1]}, r"^metadata: "),
        ({"created_at": datetime(2026, 1, 1)}, r"^created_at: .* is naive"),  # noqa: DTZ001 - it is to be refused
        ({"deleted_at": "now"}, r"^deleted_at: expected a datetime"),
    ],
    ids=range(20),
)
def test_a_wrong_field_is_refused(change: dict[str, Any], message: str) -> None:
    """
    The message begins with its name.
    """
    with pytest.raises(ValidationError, match=message):
        make_artifact(**change)


def test_a_content_is_an_artifact_content() -> None:
    """
    Nothing else makes an artifact, and its fields are checked.
    """
    content: Any = CONTENT.checksum_sha256
    with pytest.raises(ValidationError, match=r"^content: expected an ArtifactContent"):
        Artifact.new(content=content)
    with pytest.raises(ValidationError, match=r"^checksum_sha256: "):
        attrs.evolve(CONTENT, checksum_sha256="../../etc/passwd")


@pytest.mark.parametrize(
    ("change", "is_repeat"),
    [
        ({}, True),
        ({"deleted_at": NOON}, True),
        ({"id": "art_2"}, True),
        ({"id": "art_2", "created_at": NOON + timedelta(1), "deleted_at": NOON}, True),
        ({"created_at": NOON + timedelta(1)}, False),
        ({"id": "art_2", "key": "other"}, False),
        ({"id": "art_2", "metadata": {"a": 1}}, False),
        ({"metadata": {"a": 1.0}}, False),
        ({"session_id": None}, False),
    ],
    ids=range(9),
)
def test_a_repeat_differs_in_what_is_minted_at_most(
    change: dict[str, Any],
    is_repeat: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    """
    In id and time together; in whether it is deleted; JSON is compared as stored.
    """
    stored = make_artifact(**change)

    assert make_artifact().is_repeat_of(stored) is is_repeat


@pytest.mark.parametrize(
    ("count", "total", "message"),
    [
        (-1, 0, r"^artifact_count: "),
        (0, -1, r"^total_bytes: expected a whole number >= 0"),
        (0, 1.5, r"^total_bytes: expected an int, got a float"),
        (0, True, r"^total_bytes: "),
    ],
    ids=range(4),
)
def test_wrong_stats_are_refused(count: Any, total: Any, message: str) -> None:
    """
    Both are whole numbers of at least 0, the total beyond any count.
    """
    assert ArtifactStats(artifact_count=2, total_bytes=2**70).total_bytes == 2**70
    with pytest.raises(ValidationError, match=message):
        ArtifactStats(artifact_count=count, total_bytes=total)
