"""A reply's bytes and headers become values. Pure functions: no I/O, no clock but the caller's."""
