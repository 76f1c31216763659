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

from asm_async.testing.recording.cancelled_steps import TestCancelledRuns
from asm_async.testing.recording.endings import TestRunEndings
from asm_async.testing.recording.steps import TestRunSteps

__all__ = ["TestCancelledRuns", "TestRunEndings", "TestRunSteps"]
