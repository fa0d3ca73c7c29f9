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

-- Tags that only one of the snapshots has are new or deleted, not moved. The tags sha256-… of signatures and of lists of
-- referrers are left out: those move whenever something is signed.
WITH now AS (
    SELECT repository, tag, digest
    FROM tags
    WHERE run_id = $run_id AND NOT regexp_full_match(tag, 'sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})([.](sig|att|sbom))?')
),
before AS (
    SELECT repository, tag, digest FROM tags WHERE run_id = $baseline
)
SELECT 'yes' AS answer, repository, tag, before.digest AS old_digest, now.digest AS new_digest, NULL AS why
FROM now
JOIN before USING (repository, tag)
WHERE now.digest <> before.digest
UNION ALL BY NAME
SELECT
    'unknown' AS answer,
    repository,
    tag,
    before.digest AS old_digest,
    now.digest AS new_digest,
    'its image was not read in ' || CASE WHEN now.digest IS NULL THEN 'this' ELSE 'the earlier' END || ' snapshot' AS why
FROM now
JOIN before USING (repository, tag)
WHERE now.digest IS NULL OR before.digest IS NULL
UNION ALL BY NAME
SELECT 'unknown' AS answer, repository, why
FROM unread
WHERE run_id = $run_id AND NOT tags_known
ORDER BY answer DESC, repository, tag
