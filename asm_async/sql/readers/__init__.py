"""
Reads that hot standbys answer, and the primary in their place.
"""
