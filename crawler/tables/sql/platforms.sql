-- One row for each child of an index, and for the platform of each single image that is known.
-- reads: images.digest, images.platforms
SELECT
    run_id,
    registry,
    target,
    repository,
    digest,
    platform.digest AS child_digest,
    platform.os AS os,
    platform.architecture AS architecture,
    platform.variant AS variant,
    platform.os_version AS os_version,
    platform.size_bytes AS size_bytes,
    platform.media_type AS media_type,
    platform.role AS role,
    platform.attests_digest AS attests_digest
FROM (
    SELECT run_id, registry, target, repository, image.digest AS digest, unnest(image.platforms) AS platform
    FROM (SELECT run_id, registry, target, repository, unnest(images) AS image FROM records)
)
