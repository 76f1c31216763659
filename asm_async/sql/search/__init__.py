"""
Searches across sessions, and sums.
"""
