"""What is behind a tag: digests, manifests, configs and referrers, each digest read once ever.

| module | question |
|---|---|
| `inspector` | How does a listing become images, as deep as asked? |
| `digest_cache` | What was ever read of a digest? |
"""
