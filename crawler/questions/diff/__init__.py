"""What changed between two snapshots, and what of it is proved."""
