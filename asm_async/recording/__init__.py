"""
Runs that are recorded step by step, and events that are written in the background.
"""

from asm_async.recording.background_writer import BackgroundWriter
from asm_async.recording.record_run import record_run
from asm_async.recording.record_session import record_session
from asm_async.recording.recovery import RecoveryReport, recover_interrupted_runs
from asm_async.recording.run_recorder import RunRecorder
from asm_async.recording.step_options import (
    AnswerOptions,
    CallOptions,
    MessageOptions,
    ResultOptions,
)

__all__ = [
    "AnswerOptions",
    "BackgroundWriter",
    "CallOptions",
    "MessageOptions",
    "RecoveryReport",
    "ResultOptions",
    "RunRecorder",
    "record_run",
    "record_session",
    "recover_interrupted_runs",
]
