"""
Who is told of a commit, and how.
"""
