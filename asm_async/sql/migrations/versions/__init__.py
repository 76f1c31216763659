"""
The revisions, each beside the SQL scripts that it runs.
"""
