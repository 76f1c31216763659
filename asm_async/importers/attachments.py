"""
Contents that stand in a record as base64, taken out of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, cast

import attrs

from asm_async.importers.records import Attachment
from asm_async.integrations.ids import safe_id


@attrs.define(eq=False)
class AttachmentFinder:
    """
    Takes the base64 sources of messages out of a record, in the form of Anthropic.

    Args:
        kind: The kind of source.

        session_id: The session that the artifacts belong to.
    """

    kind: str
    session_id: str
    found: dict[str, Attachment] = attrs.field(factory=dict[str, Attachment])

    def without_contents(self, value: Any) -> Any:
        """
        Return *value* with the keys of artifacts in the place of contents.

        ``{"type": "base64", "media_type": ..., "data": ...}`` becomes
        ``{"type": "artifact", "media_type": ..., "artifact_key": ...}``.
        """
        if isinstance(value, list):
            return [self.without_contents(x) for x in cast("list[object]", value)]
        if not isinstance(value, dict):
            return value
        plain = cast("dict[str, Any]", value)
        if (key := self._taken(plain)) is not None:
            others = {k: v for k, v in plain.items() if k not in {"type", "data"}}
            return {"type": "artifact", **others, "artifact_key": key}
        return {name: self.without_contents(each) for name, each in plain.items()}

    def _taken(self, source: Mapping[str, Any]) -> str | None:
        data, media_type = source.get("data"), source.get("media_type")
        if source.get("type") != "base64" or not isinstance(data, str):
            return None
        try:
            content = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            return None
        digest = hashlib.sha256(content).hexdigest()
        key = safe_id(f"{self.kind}-attachment", self.session_id, digest)
        kind = media_type if isinstance(media_type, str) and media_type else None
        self.found[key] = Attachment(key=key, content=content, content_type=kind)
        return key
