-- One row for each image and index, tagged or not, but not for signatures, SBOMs and other artifacts; and one without a digest for each repository of which something is not known.
-- reads: outcome, suspect, tags, problems.problem, problems.tag
-- reads: images.digest, images.tags, images.kind, images.size_bytes, images.created_at, images.uploaded_at
-- reads: images.platforms.digest, images.platforms.os, images.platforms.architecture, images.platforms.role
SELECT
    run_id,
    registry,
    target,
    repository,
    image.digest AS digest,
    coalesce(image.tags, []) AS tags,
    image.kind AS kind,
    image.size_bytes AS size_bytes,
    image.created_at::TIMESTAMPTZ AS created_at,
    image.uploaded_at::TIMESTAMPTZ AS uploaded_at,
    {{image_platforms}} AS platforms,
    CASE WHEN image IS NULL THEN unread END AS unread
FROM (SELECT *, {{each_image}} AS image FROM (SELECT *, {{why_unread}} AS unread FROM records))
WHERE {{is_pullable}}
