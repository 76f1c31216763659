"""
The suite of what :mod:`asm_async.recording` promises, over any adapter.

The author of an adapter gives the fixture ``backend``, a
:class:`~asm_async.testing.backend.RecordingBackend`, and takes over the classes::

    import pytest
    from asm_async.testing.recording import *


    @pytest.fixture
    def backend():
        return MyBackend()
"""

from asm_async.testing.recording.background_failures import TestBackgroundFailures
from asm_async.testing.recording.background_writes import TestBackgroundWrites
from asm_async.testing.recording.cancelled_steps import TestCancelledRuns
from asm_async.testing.recording.endings import TestRunEndings
from asm_async.testing.recording.exclusive_runs import TestExclusiveRuns
from asm_async.testing.recording.recorded_sessions import TestRecordedSessions
from asm_async.testing.recording.recoveries import TestRecoveries
from asm_async.testing.recording.steps import TestRunSteps

__all__ = [
    "TestBackgroundFailures",
    "TestBackgroundWrites",
    "TestCancelledRuns",
    "TestExclusiveRuns",
    "TestRecordedSessions",
    "TestRecoveries",
    "TestRunEndings",
    "TestRunSteps",
]
