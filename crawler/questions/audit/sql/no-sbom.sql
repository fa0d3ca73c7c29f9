-- question: Which tagged images have no SBOM?
-- needs: depth manifests
-- needs: referrers listed
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image or index
-- column: why   why the answer is unknown

-- An index has an SBOM where it has one itself, or each of its images has one: builds attach one to each platform.
WITH found AS (
    SELECT
        repository,
        tags,
        digest,
        kind,
        platforms,
        coalesce(
            list_contains(list_transform(referrers, lambda referrer: referrer.kind), 'sbom'), false
        ) AS has_sbom,
        unread,
        unlisted_why AS why
    FROM attestable
),
listed AS (
    SELECT repository, digest, unnest(platforms).digest AS child_digest
    FROM found
    WHERE kind = 'index' AND len(tags) > 0 AND NOT has_sbom
),
children AS (
    SELECT
        listed.repository,
        listed.digest,
        bool_and(coalesce(found.has_sbom, false)) AS all_have_sbom,
        -- of a child without one it may be unknown, while another is proved to have none
        bool_or(NOT coalesce(found.has_sbom, true) AND found.why IS NULL) AS one_has_none
    FROM listed
    LEFT JOIN found ON found.repository = listed.repository AND found.digest = listed.child_digest
    GROUP BY ALL
),
asked AS (
    SELECT
        repository,
        tags,
        digest,
        coalesce(
            why,
            CASE
                WHEN kind = 'index' AND NOT coalesce(one_has_none, true) THEN 'the SBOMs of its images are not known'
            END
        ) AS why
    FROM found
    LEFT JOIN children USING (repository, digest)
    WHERE (len(tags) > 0 OR unread IS NOT NULL) AND NOT has_sbom AND NOT coalesce(all_have_sbom, false)
)
SELECT CASE WHEN why IS NULL THEN 'yes' ELSE 'unknown' END AS answer, repository, tags, digest, why
FROM asked
ORDER BY answer DESC, repository, digest
