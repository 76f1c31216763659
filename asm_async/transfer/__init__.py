"""
How history leaves a database as a stream of records and comes into another.

An adapter adds how a session is read as of one moment, and how one is stored whole.
"""
