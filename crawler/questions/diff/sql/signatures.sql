-- Signatures that were added to, or removed from, an image that both snapshots have. Under cosign's tag there is one
-- signature at a time: another one there is a tag that moved.
WITH old AS (
    SELECT repository, suspect, was_read, image.digest AS digest, signatures(image.referrers) AS signatures
    FROM (SELECT repository, suspect, was_read(problems) AS was_read, unnest(images) AS image FROM old_kept)
    WHERE image.referrers IS NOT NULL
),
new AS (
    SELECT repository, suspect, was_read, image.digest AS digest, signatures(image.referrers) AS signatures
    FROM (SELECT repository, suspect, was_read(problems) AS was_read, unnest(images) AS image FROM new_kept)
    WHERE image.referrers IS NOT NULL
)
SELECT
    'signature-added' AS kind,
    repository,
    NULL AS tag,
    digest AS subject_digest,
    NULL AS old_digest,
    signature.digest AS new_digest,
    CASE WHEN suspect IS NOT NULL OR NOT was_read THEN 'the old snapshot may have missed it' END AS detail
FROM (
    SELECT repository, digest, old.suspect, old.was_read, unnest(not_among(new.signatures, old.signatures)) AS signature
    FROM old JOIN new USING (repository, digest)
)
UNION ALL
SELECT
    CASE WHEN was_read THEN 'signature-removed' ELSE 'unknown' END,
    repository,
    NULL,
    digest,
    signature.digest,
    NULL,
    CASE WHEN NOT was_read THEN 'the signature may be gone: not every image of the repository was read' END
FROM (
    SELECT repository, digest, new.suspect, new.was_read, unnest(not_among(old.signatures, new.signatures)) AS signature
    FROM old JOIN new USING (repository, digest)
)
WHERE suspect IS NULL
