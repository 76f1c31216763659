"""
One transaction: connections, locks, commits, retries.
"""
