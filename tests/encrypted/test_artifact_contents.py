"""
An encrypting artifact store keeps every promise of the port.
"""

from asm_async.testing.artifacts.content_cancellations import *  # noqa: F403 - the suite is run whole
from asm_async.testing.artifacts.content_deletions import *  # noqa: F403 - the suite is run whole
from asm_async.testing.artifacts.contents import *  # noqa: F403 - the suite is run whole
