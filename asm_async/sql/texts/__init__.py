"""
How texts are indexed and searched.
"""
