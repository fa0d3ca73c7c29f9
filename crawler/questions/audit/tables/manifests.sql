-- One row for each manifest of any kind: the digest of its config, and those of the images of an index.
-- reads: images.digest, images.kind, images.manifest.config_digest, images.platforms.digest, images.platforms.role
SELECT
    run_id,
    registry,
    target,
    repository,
    image.digest AS digest,
    image.kind AS kind,
    image.manifest.config_digest AS config_digest,
    -- null where they were not read; an image is its own platform
    CASE WHEN image.kind = 'index' THEN list_transform(
        list_filter(image.platforms, lambda platform: coalesce(platform.role, 'image') = 'image'),
        lambda platform: platform.digest
    ) END AS child_digests
FROM (SELECT run_id, registry, target, repository, unnest(images) AS image FROM records)
