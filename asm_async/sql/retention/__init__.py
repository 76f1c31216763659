"""
Deleting, pruning and retention policies.
"""
