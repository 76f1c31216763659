"""
How operations are written: together, fast where nothing is unusual.
"""
