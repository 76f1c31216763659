"""
What the health check looks at.
"""
