-- question: Which tagged images have no signature?
-- needs: depth manifests
-- needs: referrers listed
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image or index
-- column: why   why the answer is unknown

-- A signature of an index covers its images. A signature counts where it is listed: it is not verified. In a repository
-- of which not everything was read, what was not read may be a signature.
WITH asked AS (
    SELECT
        repository,
        tags,
        digest,
        CASE
            WHEN repository_unread IS NOT NULL THEN repository_unread
            WHEN referrers IS NULL OR reading_failed THEN 'its referrers were not read'
            WHEN kind IS NULL THEN 'its manifest was not read'
            WHEN
                len(
                    list_filter(
                        referrers,
                        lambda referrer: referrer.kind = 'other'
                        AND referrer.predicate_type IS NULL
                        AND coalesce(
                            regexp_matches(
                                referrer.artifact_type, '^application/vnd[.](dev[.]sigstore[.]bundle|in-toto)'
                            ),
                            true
                        )
                    )
                ) > 0
            THEN 'it has a referrer of an unknown kind, which may be a signature'
            WHEN NOT every_manifest_read AND level <> 'api'
            THEN 'none is listed, and the referrers API was not asked: crawl with --referrers api'
        END AS why
    FROM pullable, (SELECT referrers AS level FROM runs)
    WHERE
        (len(tags) > 0 OR unread IS NOT NULL)
        AND coalesce(
            NOT list_contains(list_transform(referrers, lambda referrer: referrer.kind), 'signature'), true
        )
)
SELECT CASE WHEN why IS NULL THEN 'yes' ELSE 'unknown' END AS answer, repository, tags, digest, why
FROM asked
ORDER BY answer DESC, repository, digest
