"""
The command line: ``python -m asm_async``.
"""

import sys

from asm_async.cli.main import main

sys.exit(main())
