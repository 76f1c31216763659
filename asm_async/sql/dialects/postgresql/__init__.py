"""
PostgreSQL: many processes, many hosts.
"""
