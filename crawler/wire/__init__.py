"""Parsers: the bytes and headers of a response become values. Pure functions: no I/O, and no clock but a parameter.

Every parser accepts any input. It returns a value or raises MalformedResponse; no other exception leaves this package.
"""
