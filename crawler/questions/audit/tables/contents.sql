-- One row for each manifest of any kind, with its layers as a list; and one without a digest for each repository of which something is not known.
-- reads: outcome, suspect, tags, problems.problem, problems.tag, images.tags
-- reads: images.digest, images.kind, images.manifest.layers.digest, images.manifest.layers.size_bytes
SELECT
    run_id,
    registry,
    target,
    repository,
    image.digest AS digest,
    image.manifest IS NOT NULL AS manifest_known,
    coalesce(image.manifest.layers, []) AS layers,
    CASE WHEN image IS NULL THEN unread END AS unread
FROM (SELECT *, {{each_image}} AS image FROM (SELECT *, {{why_unread}} AS unread FROM records))
