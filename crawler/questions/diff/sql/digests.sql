-- How many tags may have moved, because one of the snapshots has no digest: the new one, where that is so by the way it
-- was taken, or the old one. A tag that was proved to have no manifest was not moved.
SELECT
    'unknown' AS kind,
    NULL AS repository,
    NULL AS tag,
    NULL AS subject_digest,
    NULL AS old_digest,
    NULL AS new_digest,
    CASE count(*) WHEN 1 THEN '1 tag has ' ELSE count(*) || ' tags have ' END || any_value(digests_doubt) AS detail
FROM old_tags AS old JOIN new_tags AS new USING (repository, tag) CROSS JOIN evidence
WHERE old.digest IS NOT NULL AND new.digest IS NULL AND digests_doubt IS NOT NULL
HAVING count(*) > 0
UNION ALL
SELECT
    'unknown',
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    CASE count(*) WHEN 1 THEN '1 tag has ' ELSE count(*) || ' tags have ' END
        || 'no digest in the old snapshot: whether they moved is not known'
FROM old_tags AS old JOIN new_tags AS new USING (repository, tag) JOIN old_kept USING (repository)
WHERE old.digest IS NULL AND new.digest IS NOT NULL AND NOT list_contains(dangling(problems), tag)
HAVING count(*) > 0
