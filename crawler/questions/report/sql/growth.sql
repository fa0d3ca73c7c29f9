SELECT run_id, started_at, verdict, repositories, tags, images
FROM runs
ORDER BY started_at, run_id
