"""Snapshots in a lake: object storage or a folder, as Parquet, JSON lines or Delta tables.

| module | question |
|---|---|
| `layout` | Which objects does a run have in a lake, and what are their names? |
| `store` | What can a place for objects do, whichever it is? |
| `opening` | Which place is it, by the URL? |
| `folder` | How, in a folder? |
| `objects` | How, in object storage? The one door to obstore. |
| `versioned` | How is an object replaced only if it is still as it was when it was read? |
| `versioned_objects` | How, in object storage? The other half of the door to obstore. |
| `versioned_files` | How, in a folder? |
| `held_cache` | How does a digest cache come from a lake, and back, when several runs end at once? |
| `around_runs` | When, around a command's runs? |
| `held_shards` | How do shards that have no disk in common agree, report, and reach their merge? |
| `held_shards_marker` | What do the markers of a shard and of a merged group say? |
| `environment` | Can a provider's client use the environment variables, and may it use plain HTTP? |
| `messages` | What does an error of a provider say, without its secrets? |
| `delta` | How does a file become part of a Delta table? The one door to deltalake. |
| `marker` | What does a run's marker say? |
| `verify` | Is a snapshot's data what its `_run.json` says? |
| `publish` | In which order is a snapshot published, so that no reader sees half of it? |
| `retention` | Which runs of a lake are removed, and in which order, so that no reader sees half of one? |

A lake is written from the snapshot, never while it is taken, so a lake that fails costs no snapshot.
"""
