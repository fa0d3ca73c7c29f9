-- Likewise of the new snapshot; what is in a repository is kept only where the old snapshot has another fingerprint, or
-- where something was not read: what neither snapshot could read may have changed.
CREATE TEMP TABLE new_heads AS
SELECT
    repository,
    outcome,
    suspect,
    error_code,
    len(tags) AS tags,
    len(images) AS images,
    CASE
        WHEN outcome = 'ok' AND NOT (is_same AND was_read(problems)) AND (was_listed OR len(problems) > 0)
        THEN {tags: tags, images: images, problems: problems}
    END AS contents
FROM (
    SELECT
        *,
        fingerprint IN (SELECT fingerprint FROM old_heads) AS is_same,
        repository IN (SELECT repository FROM old_heads WHERE outcome = 'ok') AS was_listed
    FROM new_contents
)
