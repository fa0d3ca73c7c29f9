-- How many tags have no digest in the new snapshot, where that is so by the way it was taken.
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
