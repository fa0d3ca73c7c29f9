"""What a retention policy would delete. Nothing is ever deleted: this room reads a policy and says what follows.

| module | question |
|---|---|
| `policy` | What does a policy see of an image, and what does it decide? |
| `certainty` | What follows where something is not known? |
| `newest` | Which are the newest, where not every time is known? |
| `kinship` | Which images are kept, or deleted, because others are? |
| `consequences` | What would break, and what may a workload name that uses an image? |
| `document` | Which mistakes does a policy's file have? |
| `doublestar` | Which names does a pattern of Harbor match? |
| `artifact_registry`, `ecr`, `harbor`, `plain` | What does each product make of its policy? |
| `load` | Which product's policy is in a file? |

Each product's rules are followed to the letter. What they need and a snapshot does not have is `unknown`.
"""
