"""Several processes take one snapshot: the shards of a group become one snapshot with one verdict.

| module | question |
|---|---|
| `group` | Which shards are there, and do they belong together? |
| `evidence` | What do the shards prove together? |
| `shard_numbers` | Which shards are meant, in a short phrase? |
| `run_manifest` | What did they do together? |
| `caches` | What becomes of the digest caches of the shards? |
| `files` | How do their records become those of one run? |
| `merge` | How is the snapshot published? |
| `left_groups` | Which groups will never be merged? |

Who owns which repository is in `discovery/ownership.py`, and how a shard joins its group in `run/shards.py`.
"""
