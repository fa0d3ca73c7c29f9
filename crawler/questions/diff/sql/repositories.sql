-- Repositories that were added, removed or emptied, and those that cannot be compared.
WITH pairs AS (
    SELECT
        repository,
        coalesce(old_heads.outcome, 'unlisted') AS old_outcome,
        coalesce(new_heads.outcome, 'unlisted') AS new_outcome,
        new_heads.suspect AS new_suspect,
        new_heads.error_code AS new_error,
        old_heads.error_code AS old_error,
        old_heads.tags AS old_tags,
        new_heads.tags AS new_tags,
        old_heads.images AS old_images,
        new_heads.images AS new_images
    FROM old_heads FULL JOIN new_heads USING (repository)
    WHERE NOT (old_heads.outcome IS NULL AND repository IN (SELECT repository FROM outside_old))
        AND NOT (new_heads.outcome IS NULL AND repository IN (SELECT repository FROM outside_new))
),
judged AS (
    SELECT
        *,
        CASE
            WHEN old_outcome IN ('denied', 'failed') OR new_outcome IN ('denied', 'failed') THEN 'unknown'
            WHEN old_outcome = 'ok' AND new_outcome = 'ok' THEN CASE
                WHEN new_suspect IS NOT NULL THEN 'unknown'
                WHEN old_tags > 0 AND new_tags = 0 AND coalesce(new_images, 0) = 0 THEN 'repository-emptied'
                WHEN compares_images AND old_images > 0 AND new_tags = 0 AND new_images = 0 THEN 'repository-emptied'
            END
            WHEN old_outcome = 'ok' THEN CASE
                WHEN new_outcome = 'missing' OR (new_outcome = 'unlisted' AND absence_doubt IS NULL)
                THEN 'repository-removed'
                ELSE 'unknown'
            END
            WHEN new_outcome = 'ok' THEN 'repository-added'
        END AS kind,
        absence_doubt,
        addition_doubt
    FROM pairs, evidence
)
SELECT
    kind,
    repository,
    NULL AS tag,
    NULL AS subject_digest,
    NULL AS old_digest,
    NULL AS new_digest,
    CASE kind
        WHEN 'repository-added' THEN concat_ws(
            '; ',
            counted(new_tags, 'tag'),
            CASE old_outcome WHEN 'unlisted' THEN addition_doubt END
        )
        WHEN 'repository-removed' THEN concat_ws(
            '; ',
            CASE new_outcome WHEN 'missing' THEN 'the registry says that it does not exist' ELSE 'not listed' END,
            'it had ' || counted(old_tags, 'tag')
        )
        WHEN 'repository-emptied' THEN
            'it had ' || concat_ws(' and ', counted(old_tags, 'tag'), counted(nullif(old_images, 0), 'image'))
        ELSE CASE
            WHEN new_suspect IS NOT NULL AND old_outcome = 'ok' THEN 'the new listing may not be whole: ' || new_suspect
            WHEN old_outcome = 'ok' AND new_outcome = 'unlisted' THEN absence_doubt
            WHEN old_outcome = new_outcome THEN new_outcome || ' in both snapshots' || coalesce(': ' || new_error, '')
            ELSE concat_ws(
                '; ',
                CASE WHEN old_outcome IN ('denied', 'failed')
                THEN old_outcome || ' in the old snapshot' || coalesce(': ' || old_error, '') END,
                CASE WHEN new_outcome IN ('denied', 'failed', 'invalid')
                THEN new_outcome || ' in the new snapshot' || coalesce(': ' || new_error, '') END
            )
        END
    END AS detail
FROM judged
WHERE kind IS NOT NULL
