"""
The immutable values that go in and out of every port.
"""
