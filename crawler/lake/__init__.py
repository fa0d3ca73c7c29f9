"""Snapshots in a lake: object storage or a folder, as Parquet, JSON lines or Delta tables."""
