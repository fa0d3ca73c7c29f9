"""Named questions about a snapshot, each a `.sql` file."""
