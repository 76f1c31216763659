"""
Ways to other libraries: one a file, each behind an extra.

Nothing else of asm_async imports them.
"""
