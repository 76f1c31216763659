"""
A page to look at sessions as people do (the extra ``console``).

:func:`~asm_async.console.mount.mount` adds it to an application of one's own, for those
whom the application authorizes; :func:`~asm_async.console.serve.serve` serves it alone,
to this machine. Both only read unless told otherwise.
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("fastapi") is None:
    raise MissingDependencyError("fastapi", "console")
if find_spec("uvicorn") is None:
    raise MissingDependencyError("uvicorn", "console")

from asm_async.console.mount import mount
from asm_async.console.serve import serve

__all__ = ["mount", "serve"]
