-- One row for each row of pullable but for those of indexes. The tags are those of the image, else those of the indexes that list it.
SELECT * EXCLUDE (index_tags) REPLACE (CASE WHEN len(tags) > 0 THEN tags ELSE coalesce(index_tags, []) END AS tags)
FROM (
    WITH found AS (
        FROM pullable
    ),
    listed AS (
        SELECT run_id, repository, child.digest AS digest, list_sort(list_distinct(flatten(list(tags)))) AS index_tags
        FROM (SELECT run_id, repository, tags, unnest(platforms) AS child FROM found WHERE kind = 'index')
        GROUP BY ALL
    )
    SELECT * FROM found LEFT JOIN listed USING (run_id, repository, digest)
)
WHERE kind = 'image' OR kind IS NULL
