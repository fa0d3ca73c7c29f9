-- One row for each layer of each image, the lowest with position 0.
-- reads: images.digest, images.manifest.layers
SELECT
    run_id,
    registry,
    target,
    repository,
    digest,
    position - 1 AS position,
    layers[position].digest AS layer_digest,
    layers[position].size_bytes AS size_bytes,
    layers[position].media_type AS media_type
FROM (
    SELECT run_id, registry, target, repository, digest, layers, unnest(range(1, len(layers) + 1)) AS position
    FROM (
        SELECT run_id, registry, target, repository, image.digest AS digest, image.manifest.layers AS layers
        FROM (SELECT run_id, registry, target, repository, unnest(images) AS image FROM records)
    )
)
