"""
The page of log messages, beside what the package logs.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.log_messages import Message, messages

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "log-messages.md"
ROW = re.compile(
    r"^\| `(asm_async[\w.]*)` \| ([A-Z]+) \| `(.+?)` \| (\S.*) \|$", re.MULTILINE
)

IMPORTS = """
import logging, pkgutil, importlib
import asm_async
for module in pkgutil.walk_packages(asm_async.__path__, "asm_async."):
    if module.name.startswith(("asm_async.sql", "asm_async.recording", "asm_async.m")):
        importlib.import_module(module.name)
for name in sorted(logging.root.manager.loggerDict):
    logger = logging.getLogger(name)
    if name.startswith("asm_async"):
        assert not logger.handlers and not logger.level and logger.propagate, name
logging.getLogger("asm_async.sql").warning("seen")
"""


def test_each_message_is_described() -> None:
    """
    docs/reference/log-messages.md has each message with its logger and level, once.
    """
    rows = [Message(*row[:3]) for row in ROW.findall(PAGE.read_text("utf-8"))]

    assert sorted(rows) == sorted(messages())


def test_what_logs_is_named_by_its_module() -> None:
    """
    So that an application can set a level for a part of the package.
    """
    for message in messages():
        assert message.logger.startswith("asm_async.")
        assert logging.getLevelNamesMapping()[message.level] < logging.CRITICAL


def test_the_package_configures_no_logging() -> None:
    """
    It adds no handler and sets no level; unconfigured, warnings go to standard error.
    """
    call = [sys.executable, "-c", IMPORTS]
    ran = subprocess.run(call, capture_output=True, text=True, check=True)  # noqa: S603 - our own script

    assert (ran.stdout, ran.stderr) == ("", "seen\n")
