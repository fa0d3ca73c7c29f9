-- Repositories that only one of the runs looked for.
SELECT
    'unknown' AS kind,
    NULL AS repository,
    NULL AS tag,
    NULL AS subject_digest,
    NULL AS old_digest,
    NULL AS new_digest,
    CASE count(*) WHEN 1 THEN '1 repository is' ELSE count(*) || ' repositories are' END
        || ' in the {side} snapshot alone, and outside the prefix and the filters of the other: not compared' AS detail
FROM outside_{other}
HAVING count(*) > 0
