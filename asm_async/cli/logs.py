"""
What the library logs, on standard error.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from asm_async.cli.options import Options
from asm_async.cli.streams import report

# That a call has failed is the last line of the command that made it.
_TOLD_BY_ERRORS = "asm_async.sql.transactions.call_log"

_BY_VERBOSITY = (logging.WARNING, logging.INFO, logging.DEBUG)


@contextmanager
def logging_to_stderr(options: Options) -> Generator[None]:
    """
    Write the records of the library's loggers to standard error, from a level on.
    """
    logger = logging.getLogger("asm_async")
    handler, level_before = _Reporter(), logger.level
    if not options.verbose and options.log_level is None:
        handler.addFilter(_is_news)
    logger.addHandler(handler)
    logger.setLevel(_level_of(options))
    try:
        yield
    finally:
        logger.setLevel(level_before)
        logger.removeHandler(handler)


def _level_of(options: Options) -> int:
    if options.log_level is not None:
        return logging.getLevelNamesMapping()[options.log_level.upper()]
    if options.quiet:
        return logging.ERROR
    return _BY_VERBOSITY[min(options.verbose, len(_BY_VERBOSITY) - 1)]


def _is_news(record: logging.LogRecord) -> bool:
    return record.name != _TOLD_BY_ERRORS


class _Reporter(logging.Handler):
    """
    Reports each record on one line, without passwords.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """
        Report a record, with its error if it has one.
        """
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() + ("" if error is None else f": {error!r}")
        report(f"{record.levelname.lower()}: {record.name}: {text}")
