-- Problems that are new, and problems that are gone.
WITH old AS (
    SELECT DISTINCT repository, problem.problem AS problem, problem.tag AS tag, problem.digest AS digest
    FROM (SELECT repository, unnest(problems) AS problem FROM old_kept)
),
new AS (
    SELECT DISTINCT repository, problem.problem AS problem, problem.tag AS tag, problem.digest AS digest
    FROM (SELECT repository, unnest(contents.problems) AS problem FROM new_heads)
),
paired AS (
    SELECT
        coalesce(old.repository, new.repository) AS repository,
        coalesce(old.problem, new.problem) AS problem,
        coalesce(old.tag, new.tag) AS tag,
        old.digest AS old_digest,
        new.digest AS new_digest,
        old.repository IS NULL AS is_new
    FROM old FULL JOIN new
        ON old.repository = new.repository AND old.problem = new.problem
        AND old.tag IS NOT DISTINCT FROM new.tag AND old.digest IS NOT DISTINCT FROM new.digest
    WHERE old.repository IS NULL OR new.repository IS NULL
)
SELECT
    CASE WHEN is_new THEN 'problem-new' WHEN was_read(contents.problems) THEN 'problem-gone' ELSE 'unknown' END AS kind,
    repository,
    tag,
    NULL AS subject_digest,
    old_digest,
    new_digest,
    CASE
        WHEN is_new THEN concat_ws('; ', problem, doubt)
        WHEN was_read(contents.problems) THEN problem
        ELSE problem || ' may be gone: not every image of the repository was read'
    END AS detail
FROM paired
JOIN new_heads USING (repository)
LEFT JOIN (
    SELECT
        repository,
        CASE WHEN suspect IS NOT NULL OR NOT was_read(problems) THEN 'the old snapshot may have missed it' END AS doubt
    FROM old_kept
    UNION ALL
    SELECT repository, addition_doubt FROM new_heads ANTI JOIN old_heads USING (repository) CROSS JOIN evidence
) USING (repository)
WHERE CASE
    WHEN is_new THEN repository NOT IN (SELECT repository FROM old_heads WHERE outcome IN ('denied', 'failed'))
        AND repository NOT IN (SELECT repository FROM outside_old)
    ELSE new_heads.suspect IS NULL
END
