"""
An object store keeps every promise of its port over S3's protocol.
"""

from asm_async.testing.artifacts import (
    TestContentCancellations,
    TestContentDeletions,
    TestContents,
)

__all__ = ["TestContentCancellations", "TestContentDeletions", "TestContents"]
