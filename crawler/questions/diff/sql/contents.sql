-- What is compared of each record. A tag that was gone when its manifest was read is not there. Another order of tags is
-- another fingerprint: that costs time, and changes nothing in the result.
CREATE TEMP VIEW {side}_contents AS
SELECT *, hash(repository, outcome, suspect, tags, images, list_sort(problems)) AS fingerprint
FROM (
    SELECT
        CASE
            WHEN {side}_prefix = '' THEN repository
            WHEN repository = {side}_prefix THEN '.'
            ELSE substr(repository, length({side}_prefix) + 2)
        END AS repository,
        outcome,
        suspect,
        error.code AS error_code,
        CASE
            WHEN len(problems) = 0 THEN tags
            ELSE list_filter(tags, lambda tag: NOT list_contains(vanished(problems), tag))
        END AS tags,
        images,
        problems
    FROM {side}_records, evidence
)
