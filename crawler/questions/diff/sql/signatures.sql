-- Signatures that were added to, or removed from, an image that both snapshots have. Under cosign's tag there is one
-- signature at a time: another one there is a tag that moved.
--
-- That a signature is listed no more proves its removal only where it would be listed again: one that the referrers API
-- listed, where the API still lists something; one without a tag, where the registry lists every image.
WITH old AS (
    SELECT repository, suspect, was_read, image.digest AS digest, image.referrers AS referrers
    FROM (SELECT repository, suspect, was_read(problems) AS was_read, unnest(images) AS image FROM old_kept)
    WHERE image.referrers IS NOT NULL
),
new AS (
    SELECT
        repository,
        suspect,
        was_read,
        image.digest AS digest,
        image.referrers AS referrers,
        len(image.tags) > 0 AS is_tagged
    FROM (SELECT repository, suspect, was_read(problems) AS was_read, unnest(images) AS image FROM new_kept)
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
    SELECT
        repository,
        digest,
        old.suspect,
        old.was_read,
        unnest(not_among(signatures(new.referrers), signatures(old.referrers))) AS signature
    FROM old JOIN new USING (repository, digest)
)
UNION ALL
SELECT
    CASE WHEN doubt IS NULL THEN 'signature-removed' ELSE 'unknown' END,
    repository,
    NULL,
    digest,
    signature.digest,
    NULL,
    'the signature may be ' || doubt
FROM (
    SELECT
        *,
        CASE
            WHEN is_unknown THEN 'there: the referrers of the image were not read'
            WHEN NOT was_read THEN 'gone: not every image of the repository was read'
            WHEN signature.via = 'api' AND NOT $api_answers
            THEN 'there: the referrers API lists nothing in the new snapshot'
            WHEN signature.via = 'bulk' AND NOT compares_images
            THEN 'there: it has no tag, and the registry may not list every image'
        END AS doubt
    FROM (
        SELECT
            repository,
            digest,
            new.suspect,
            new.was_read,
            new.is_tagged,
            new.referrers IS NULL AS is_unknown,
            unnest(not_among(signatures(old.referrers), coalesce(signatures(new.referrers), []))) AS signature
        FROM old JOIN new USING (repository, digest)
    ),
    evidence
)
WHERE suspect IS NULL AND (is_tagged OR NOT is_unknown)
