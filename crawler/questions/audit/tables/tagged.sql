-- One row for each tag whose image is known; and one without a tag for each repository of which something is not known.
-- reads: outcome, suspect, tags, problems.problem, problems.tag, images.digest, images.tags
SELECT
    run_id,
    registry,
    target,
    repository,
    unnest(CASE WHEN image IS NULL THEN [NULL] ELSE image.tags END) AS tag,
    image.digest AS digest,
    CASE WHEN image IS NULL THEN unread END AS unread
FROM (SELECT *, {{each_image}} AS image FROM (SELECT *, {{why_unread}} AS unread FROM records))
