-- Images that were added or removed, where the registry lists every image.
WITH old AS (
    SELECT DISTINCT repository, unnest(images).digest AS digest FROM old_kept
),
new AS (
    SELECT DISTINCT repository, unnest(images).digest AS digest FROM new_kept
),
listed_by_both AS (
    SELECT repository, old_kept.suspect AS old_suspect, new_kept.suspect AS new_suspect
    FROM old_kept JOIN new_kept USING (repository)
    WHERE old_kept.images IS NOT NULL AND new_kept.images IS NOT NULL
        AND repository NOT IN (SELECT repository FROM changes WHERE kind = 'repository-emptied')
)
SELECT
    CASE WHEN old.digest IS NULL THEN 'image-added' ELSE 'image-removed' END AS kind,
    repository,
    NULL AS tag,
    NULL AS subject_digest,
    old.digest AS old_digest,
    new.digest AS new_digest,
    CASE WHEN old.digest IS NULL AND old_suspect IS NOT NULL
    THEN 'the old listing may not have been whole: the old snapshot may have missed it' END AS detail
FROM old
FULL JOIN new USING (repository, digest)
JOIN listed_by_both USING (repository)
WHERE old.digest IS NULL OR (new.digest IS NULL AND new_suspect IS NULL)
