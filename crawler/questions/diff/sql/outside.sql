-- Repositories that only one of the runs looked for.
SELECT
    'unknown' AS kind,
    NULL AS repository,
    NULL AS tag,
    NULL AS subject_digest,
    NULL AS old_digest,
    NULL AS new_digest,
    CASE count(*) WHEN 1 THEN '1 repository' ELSE count(*) || ' repositories' END
        || ' of the {side} snapshot not compared: outside the prefix or the filters of the {other} one' AS detail
FROM outside_{other}
HAVING count(*) > 0
