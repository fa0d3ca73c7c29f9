"""The questions that people bring to snapshots.

| room | question |
|---|---|
| `audit/` | Which images are stale, unsigned, run as root, …? |
| `running/` | Which images do workloads run? What Kubernetes says becomes a table for questions |
| `cleanup/` | What would a retention policy delete, and what would break by it? Policies of each product, judged |
| `diff/` | What changed between two snapshots, and what of it is proved? |
| `report/` | How is the registry, on one page? |
| `metrics/` | What should a monitoring system know? |
| `kept_runs` | Which runs are kept? |
| `whole` | Is a snapshot whole on the disk? |
| `page` | How does an answer become HTML or Markdown? The one door to Jinja. |
| `markdown` | How does untrusted text become Markdown that shows it as it is? |
"""
