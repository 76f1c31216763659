"""
Engines, and what is kept for each of them.
"""
