"""Snapshots as tables: one definition of each table, for every command that asks a snapshot.

| module | question |
|---|---|
| `selection` | Which snapshots does `SNAPSHOT` name? |
| `columns` | Which columns do records and run manifests have, before any table is made of them? |
| `definitions` | Which tables are there, and which columns do they have? |
| `dialects` | How does BigQuery, Spark, Athena, DuckDB or JSON Schema write a table's columns? |
| `database` | How are the tables of some snapshots asked? The one door to DuckDB. |
| `files` | How are the tables of a snapshot written to files? |

Each table is a view in `sql/`: its first lines say what a row is.
"""
