"""`crawl --engine ray`: the shards of a group as tasks of a Ray cluster, which share one rate.

| module | question |
|---|---|
| `timetable` | At which times may the group's exchanges start? |
| `leased_rate` | Which of these times are this shard's? |
| `coordinator` | Who gets the next lease, how far is each shard, and shall they stop? |
| `shard_task` | What does a worker do? |
| `processes` | Which processes outlive a cluster on this machine? |
| `cluster` | How is Ray started, and how do shards become tasks? The one door to Ray |
"""
