"""
What every part of the SQL adapter rests on: tables, rows, errors, deadlines.
"""
