"""How is the registry, on one page?

| module | question |
|---|---|
| `collect` | What does the page say? Everything of it, as one value. |
| `run_facts` | What did the run find, and can it be trusted? |
| `history` | How has the registry grown, and what changed last? |
| `teams` | Who uses how much? |
| `images` | How old are the images, for which platforms, signed or not? |
| `trouble` | What is broken, and what could not be read? |
| `charts` | How do numbers become pictures? The one door to pygal. |
| `html_page`, `markdown_page` | How does the value become a page? |

A snapshot may hold a million images, so each table is read once at most; see `sql/`.
"""
