"""
Runs that are recorded step by step, and ended whatever becomes of their process.
"""

from asm_async.recording.record_run import record_run
from asm_async.recording.run_recorder import RunRecorder
from asm_async.recording.step_options import (
    AnswerOptions,
    CallOptions,
    MessageOptions,
    ResultOptions,
)

__all__ = [
    "AnswerOptions",
    "CallOptions",
    "MessageOptions",
    "ResultOptions",
    "RunRecorder",
    "record_run",
]
