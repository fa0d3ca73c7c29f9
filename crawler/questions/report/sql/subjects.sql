-- What is known of the referrers of each image and index, by the rules of the audit questions unsigned and no-sbom.
CREATE TEMP TABLE subjects AS
SELECT
    hash(repository, digest) AS key,
    len(tags) > 0 AS is_subject,
    CASE
        WHEN kind = 'index' AND len(tags) > 0
        THEN list_transform(platforms, lambda platform: hash(repository, platform.digest))
    END AS children,
    referrers IS NOT NULL AS referrers_known,
    unlisted_why IS NOT NULL AS is_doubtful,
    coalesce(list_contains(kinds, 'signature'), false) AS is_signed,
    coalesce(list_contains(kinds, 'sbom'), false) AS has_sbom,
    coalesce(list_contains(kinds, 'provenance'), false) AS has_provenance
FROM (SELECT *, list_transform(referrers, lambda referrer: referrer.kind) AS kinds FROM attestable)
WHERE digest IS NOT NULL
