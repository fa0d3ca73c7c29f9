-- question: Which tagged images are the largest?
-- needs: sizes
-- parameter: count = 20   how many images
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image
-- column: size_bytes   compressed; of an index, the sum of its images
-- column: why   why the answer is unknown

WITH found AS (
    SELECT repository, tags, digest, kind, size_bytes, platforms, unread FROM pullable
),
listed AS (
    SELECT repository, digest, unnest(platforms).digest AS child_digest
    FROM found
    WHERE kind = 'index' AND len(tags) > 0
),
children AS (
    SELECT
        listed.repository,
        listed.digest,
        -- an index is as large as known only where each of its images is
        CASE WHEN count(*) = count(found.size_bytes) THEN sum(found.size_bytes)::BIGINT END AS children_bytes
    FROM listed
    LEFT JOIN found ON found.repository = listed.repository AND found.digest = listed.child_digest
    GROUP BY ALL
),
measured AS (
    SELECT
        repository,
        tags,
        digest,
        CASE WHEN kind = 'index' THEN children_bytes ELSE size_bytes END AS size_bytes,
        unread
    FROM found
    LEFT JOIN children USING (repository, digest)
    WHERE len(tags) > 0 OR unread IS NOT NULL
)
(
    SELECT 'yes' AS answer, repository, tags, digest, size_bytes, NULL AS why
    FROM measured
    WHERE size_bytes IS NOT NULL
    ORDER BY size_bytes DESC, repository, digest
    LIMIT $count
)
UNION ALL BY NAME
SELECT 'unknown' AS answer, repository, tags, digest, coalesce(unread, 'its size is not known') AS why
FROM measured
WHERE size_bytes IS NULL
ORDER BY answer DESC, size_bytes DESC, repository, digest
