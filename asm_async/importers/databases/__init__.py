"""
Databases of other programs as sources.
"""
