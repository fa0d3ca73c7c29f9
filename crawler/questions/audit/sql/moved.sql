-- question: Which tags have another digest than N days before?
-- needs: images
-- parameter: days = 7   compared with the newest complete snapshot that is at least this many days older
-- compares: days
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tag   the tag
-- column: old_digest   its digest in the earlier snapshot
-- column: new_digest   its digest in this snapshot
-- column: why   why the answer is unknown

-- Tags that only one of the snapshots has are new or deleted, not moved. The tags sha256-… of signatures and of lists
-- of referrers are left out: those move whenever something is signed.
WITH found AS (
    SELECT run_id = $run_id AS is_new, run_id = $baseline AS is_old, repository, tag, digest, unread FROM tagged
),
pairs AS (
    SELECT
        repository,
        tag,
        any_value(digest) FILTER (WHERE is_old) AS old_digest,
        any_value(digest) FILTER (WHERE is_new) AS new_digest
    FROM found
    WHERE NOT regexp_full_match(tag, 'sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})([.](sig|att|sbom))?')
    GROUP BY repository, tag
)
SELECT 'yes' AS answer, repository, tag, old_digest, new_digest, NULL AS why
FROM pairs
WHERE old_digest <> new_digest
UNION ALL BY NAME
SELECT
    'unknown' AS answer,
    repository,
    coalesce(
        any_value(unread) FILTER (WHERE is_new), any_value(unread) FILTER (WHERE is_old) || ', in the earlier snapshot'
    ) AS why
FROM found
WHERE unread IS NOT NULL
GROUP BY repository
ORDER BY answer DESC, repository, tag
