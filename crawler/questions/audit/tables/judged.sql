-- One row for each manifest of any kind, as a retention policy sees it; and one without a digest for each repository of which something is not known.
-- reads: outcome, suspect, tags, problems.problem, problems.tag
-- reads: images.digest, images.tags, images.kind, images.media_type, images.subject_digest, images.platforms.digest, images.manifest.config_digest
-- reads: images.created_at, images.uploaded_at, images.pulled_at
SELECT
    run_id,
    registry,
    target,
    repository,
    image.digest AS digest,
    coalesce(image.tags, []) AS tags,
    image.uploaded_at::TIMESTAMPTZ AS uploaded_at,
    image.pulled_at::TIMESTAMPTZ AS pulled_at,
    image.created_at::TIMESTAMPTZ AS created_at,
    -- null where it may be an index, and was not read; an image is its own platform
    CASE
        WHEN image.kind = 'index' THEN list_transform(image.platforms, lambda platform: platform.digest)
        WHEN
            image.kind IS NOT NULL
            OR image.media_type IN (
                'application/vnd.oci.image.manifest.v1+json',
                'application/vnd.docker.distribution.manifest.v2+json',
                'application/vnd.docker.distribution.manifest.v1+json',
                'application/vnd.docker.distribution.manifest.v1+prettyjws'
            )
        THEN []
    END AS children,
    image.subject_digest AS subject_digest,
    image.manifest.config_digest AS config_digest,
    image.manifest IS NOT NULL AS manifest_known,
    unread
FROM (SELECT *, {{each_image}} AS image FROM (SELECT *, {{why_unread}} AS unread FROM records))
