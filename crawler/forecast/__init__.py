"""What would a crawl cost? The answer needs the last snapshot, or a few exchanges with the registry, and no crawl.

The command is `plan`. The room is not called so, because `run/plan.py` is a run's plan: its limits and limiters.
"""
