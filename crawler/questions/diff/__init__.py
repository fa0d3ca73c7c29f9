"""What changed between two snapshots, and what of it is proved.

| module | question |
|---|---|
| `changes` | What is a change, and how are two snapshots compared? |
| `pairing` | Which repository of one snapshot is which of the other? |
| `proof` | What does a run prove of what its snapshot does not have? |
| `limits` | What can two runs be compared in? |
| `statements` | How does DuckDB compare them? The statements are in `sql/`. |
| `fail_on` | Which changes make the command fail? |
| `wording` | Which words are for people? |
| `text`, `markdown`, `document`, `html` | How is a comparison printed? |
"""
