-- One row for each signature, SBOM or other manifest that refers to an image. It is listed, and not verified.
-- reads: images.digest, images.referrers
SELECT
    run_id,
    registry,
    target,
    repository,
    digest,
    referrer.digest AS referrer_digest,
    referrer.via AS via,
    referrer.kind AS kind,
    referrer.artifact_type AS artifact_type,
    referrer.predicate_type AS predicate_type,
    referrer.size_bytes AS size_bytes,
    referrer.created_at::TIMESTAMPTZ AS created_at
FROM (
    SELECT run_id, registry, target, repository, image.digest AS digest, unnest(image.referrers) AS referrer
    FROM (SELECT run_id, registry, target, repository, unnest(images) AS image FROM records)
)
