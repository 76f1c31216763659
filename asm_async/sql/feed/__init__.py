"""
Following events, and durable consumers.
"""
