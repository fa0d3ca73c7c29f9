-- What is in each repository that both snapshots list, where it is not the same.
CREATE TEMP TABLE old_kept AS
SELECT repository, suspect, tags, images, problems
FROM old_contents
WHERE outcome = 'ok' AND repository IN (SELECT repository FROM new_heads WHERE contents IS NOT NULL)
