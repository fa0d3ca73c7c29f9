"""What was ever read of a digest, in one SQLite file for all targets, nights and runs.

| module | question |
|---|---|
| `cache` | What is kept, and how is it found? |
| `values` | How are contents stored? |
| `keys` | What is a content or an image found by? |
| `storage` | What becomes of a statement that fails? |
| `file` | How is the file opened, made and set aside? |
| `pruning` | How is dropped what no snapshot mentions? |
| `union` | How does one cache get what others have? |
| `compact_copy` | How is the whole file copied while crawls write to it? |
"""
