-- One row for each row of pullable but for those of indexes, with the config. The tags are those of the image, else those of the indexes that list it.
-- reads: outcome, suspect, tags, problems.problem, problems.tag
-- reads: images.digest, images.tags, images.kind, images.platforms.digest, images.platforms.role
-- reads: images.config.os, images.config.user
-- reads: images.config.base_name, images.config.base_digest, images.config.base_from
SELECT * EXCLUDE (kind, platforms, index_tags)
    REPLACE (CASE WHEN len(tags) > 0 THEN tags ELSE coalesce(index_tags, []) END AS tags)
FROM (
    WITH found AS (
        SELECT
            run_id,
            registry,
            target,
            repository,
            image.digest AS digest,
            coalesce(image.tags, []) AS tags,
            image.kind AS kind,
            {{image_platforms}} AS platforms,
            image.config IS NOT NULL AS config_known,
            image.config.os AS os,
            image.config.user AS "user",
            image.config.base_name AS base_name,
            image.config.base_digest AS base_digest,
            image.config.base_from AS base_from,
            CASE WHEN image IS NULL THEN unread END AS unread
        FROM (SELECT *, {{each_image}} AS image FROM (SELECT *, {{why_unread}} AS unread FROM records))
        WHERE {{is_pullable}}
    ),
    listed AS (
        SELECT run_id, repository, child.digest AS digest, list_sort(list_distinct(flatten(list(tags)))) AS index_tags
        FROM (SELECT run_id, repository, tags, unnest(platforms) AS child FROM found WHERE kind = 'index')
        GROUP BY ALL
    )
    SELECT * FROM found LEFT JOIN listed USING (run_id, repository, digest)
)
WHERE kind = 'image' OR kind IS NULL
