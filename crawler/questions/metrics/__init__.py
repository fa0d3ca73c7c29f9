"""What a monitoring system should know of the snapshots of each target.

| module | question |
|---|---|
| `history` | When was the last attempt of a target, and the last complete snapshot, and what did they say? |
| `exposition` | How does Prometheus read that? The one door to prometheus-client. |
"""
