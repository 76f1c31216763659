"""
How fast the stores are, beside the raw drivers and beside what people use today.
"""
