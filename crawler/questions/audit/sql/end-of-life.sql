-- question: Which tagged images are past the end of their life, by a lifecycle artifact that refers to them?
-- needs: depth manifests
-- needs: referrers listed
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image or index
-- column: end_of_life_at   when its life ends
-- column: why   why the answer is unknown

-- The end is compared with the time of the snapshot. An image without a lifecycle artifact has no end.
WITH asked AS (
    SELECT repository, tags, digest, kind, referrers, reading_failed, every_manifest_read, repository_unread
    FROM attestable
    WHERE len(tags) > 0 OR unread IS NOT NULL
),
ends AS (
    SELECT
        repository,
        digest,
        min(try_cast(end_of_life AS TIMESTAMPTZ)) AS end_of_life_at,
        count(*) - count(try_cast(end_of_life AS TIMESTAMPTZ)) AS undated
    FROM (
        SELECT
            repository,
            digest,
            unnest(list_filter(referrers, lambda referrer: referrer.kind = 'lifecycle')).digest AS artifact
        FROM asked
    )
    LEFT JOIN (SELECT repository, digest AS artifact, end_of_life FROM lifecycles) USING (repository, artifact)
    GROUP BY ALL
),
judged AS (
    SELECT
        repository,
        tags,
        digest,
        end_of_life_at,
        started_at,
        CASE
            WHEN end_of_life_at <= started_at THEN NULL
            WHEN undated > 0 THEN 'it has a lifecycle artifact, whose date is not known'
            WHEN end_of_life_at IS NOT NULL THEN NULL
            WHEN repository_unread IS NOT NULL THEN repository_unread
            WHEN referrers IS NULL OR reading_failed THEN 'its referrers were not read'
            WHEN NOT every_manifest_read AND level <> 'api'
            THEN 'no lifecycle artifact is listed, and the referrers API was not asked: crawl with --referrers api'
        END AS why
    FROM asked
    LEFT JOIN ends USING (repository, digest),
    (SELECT started_at, referrers AS level FROM runs)
)
SELECT
    CASE WHEN why IS NULL THEN 'yes' ELSE 'unknown' END AS answer,
    repository,
    tags,
    digest,
    end_of_life_at,
    why
FROM judged
WHERE end_of_life_at <= started_at OR why IS NOT NULL
ORDER BY answer DESC, end_of_life_at, repository, digest
