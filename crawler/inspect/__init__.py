"""What is behind a tag: digests, manifests, configs and referrers, each digest read once ever.

| module | question |
|---|---|
| `inspector` | How does a listing become images, as deep as asked? |
| `reading` | What is behind the tags of one repository, and what cannot be read? |
| `images_in_memory` | How many images are in memory at once? |
| `fan_out` | How do the jobs of one repository share the tasks of the run? |
| `contents` | Where do the bytes under a digest come from? |
| `allowance` | How many exchanges may depth still cost? |
| `tag_filter` | Which tags' images are read? |
| `images` | How does what was read become images? |
| `bases` | Which image is an image built on? |
| `referrers` | Which manifests refer to an image? |
"""
