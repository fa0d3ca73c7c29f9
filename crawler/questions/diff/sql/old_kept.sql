-- What is in each repository that both snapshots list, where it is not the same.
--
-- The condition is within CASE, as in new_heads.sql, so that the records stream past the names: DuckDB takes the records
-- for few, and would otherwise hold all of them in a hash table.
CREATE TEMP TABLE old_kept AS
SELECT repository, suspect, contents.tags AS tags, contents.images AS images, contents.problems AS problems
FROM (
    SELECT
        repository,
        suspect,
        CASE
            WHEN outcome = 'ok' AND repository IN (SELECT repository FROM new_heads WHERE contents IS NOT NULL)
            THEN {tags: tags, images: images, problems: problems}
        END AS contents
    FROM old_contents
)
WHERE contents IS NOT NULL
