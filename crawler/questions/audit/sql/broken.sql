-- question: Which tags are dangling, and which images are broken?
-- needs: depth configs
-- needs: referrers listed
-- column: answer   yes; unknown where something could not be read
-- column: repository   the repository
-- column: tag   the tag that has the problem
-- column: digest   the manifest or blob that has the problem
-- column: problem   dangling-tag, index-child-missing, config-missing, …
-- column: message   the registry's words
-- column: why   why the answer is unknown

-- A tag that was deleted during the crawl (vanished-tag) is not broken.
WITH classified AS (
    SELECT
        *, problem = 'manifest-unreadable' AND code IS DISTINCT FROM 'INVALID_CONTENT' AS is_unread
    FROM problems
    WHERE problem <> 'vanished-tag'
)
SELECT
    CASE WHEN is_unread THEN 'unknown' ELSE 'yes' END AS answer,
    repository,
    tag,
    digest,
    problem,
    message,
    CASE WHEN is_unread THEN 'it could not be read' END AS why
FROM classified
UNION ALL BY NAME
SELECT 'unknown' AS answer, repository, why
FROM unread
ORDER BY answer DESC, repository, problem, tag, digest
