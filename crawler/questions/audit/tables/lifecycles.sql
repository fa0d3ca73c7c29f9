-- One row for each artifact that says when the life of an image ends.
-- reads: images.digest, images.artifact_type, images.manifest.annotations
SELECT
    run_id,
    registry,
    target,
    repository,
    image.digest AS digest,
    -- Azure/acr-cli
    image.manifest.annotations['vnd.microsoft.artifact.lifecycle.end-of-life.date'] AS end_of_life
FROM (SELECT run_id, registry, target, repository, unnest(images) AS image FROM records)
WHERE image.artifact_type = 'application/vnd.microsoft.artifact.lifecycle'
