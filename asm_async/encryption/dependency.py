"""
What the package needs, looked for before anything of it is imported.
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

__all__: list[str] = []

if find_spec("cryptography") is None:
    raise MissingDependencyError("cryptography", "encryption")
