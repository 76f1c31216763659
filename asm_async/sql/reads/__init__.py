"""
How single sessions, runs, events and artifacts are read.
"""
