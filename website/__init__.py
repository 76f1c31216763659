"""
What makes the documentation site of docs/ and of the package's docstrings.
"""
