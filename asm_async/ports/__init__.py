"""
What a backend promises: one protocol a file, its docstrings the specification.
"""
