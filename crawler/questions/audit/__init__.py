"""Named questions to a snapshot: which images are stale, unsigned, run as root, …?

| module | question |
|---|---|
| `question` | What is a question, which values do its parameters take, and which inputs does it read? |
| `header` | How does the head of a `.sql` file become a question? |
| `catalog` | Which questions are there: those that are shipped, and those of a folder of one's own? |
| `needs` | Which questions can a snapshot answer, and which option of a crawl would it take? |
| `baseline` | With which earlier snapshot is a snapshot compared? |
| `own_tables` | Which tables do questions have beside those of every snapshot? |
| `decisions` | What does a retention policy decide of the images of a snapshot? |
| `inputs` | Which tables does a question read that are not the snapshot's? |
| `answer` | What is the answer? |

The questions are in `sql/`, and the tables for them in `tables/`. No question takes silence for a proof: repositories,
tags and images that were not read are rows whose answer is `unknown`.
"""
