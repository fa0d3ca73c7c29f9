-- One row for each repository that is there, or may be: when something was last pushed to it, and why not all is known.
-- reads: outcome, suspect, tags, problems.problem, problems.tag, images.tags, images.uploaded_at, images.updated_at
SELECT
    run_id,
    registry,
    target,
    repository,
    len(images) AS images,
    len(list_filter(times, lambda time: time IS NOT NULL)) AS dated_images,
    -- texts of one form, so that the greatest one is the latest one
    list_max(times)::TIMESTAMPTZ AS last_push_at,
    unread
FROM (
    SELECT
        *,
        list_transform(images, lambda image: greatest(image.uploaded_at, image.updated_at)) AS times,
        {{why_unread}} AS unread
    FROM records
    WHERE outcome IN ('ok', 'denied', 'failed')
)
