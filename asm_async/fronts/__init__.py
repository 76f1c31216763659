"""
One class for each port that checks arguments, in front of the backends.
"""
