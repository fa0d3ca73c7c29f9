"""Names in, records out: discover, list, write, joined by bounded streams."""
