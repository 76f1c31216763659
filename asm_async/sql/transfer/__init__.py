"""
Exports and imports.
"""
