-- question: To which repositories was nothing pushed for N days?
-- needs: images
-- parameter: days = 180   nothing was pushed for this many days before the snapshot
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: images   how many manifests it has
-- column: last_push_at   the last push, or the last change of a tag, that is known
-- column: why   why the answer is unknown

-- What was pushed and deleted since leaves no trace. A known push within the days is proof, whatever else is unknown.
WITH untouched AS (
    SELECT
        repository,
        images,
        last_push_at,
        CASE
            WHEN unread IS NOT NULL THEN unread
            WHEN coalesce(images, 0) = 0 THEN 'it is empty, so that no push is known'
            WHEN dated_images < images
            THEN 'no time of a push is known of ' || (images - dated_images) || ' of its ' || images || ' manifests'
        END AS why
    FROM pushes, (SELECT started_at FROM runs)
    WHERE last_push_at IS NULL OR last_push_at < started_at - to_days(least($days, 500000)::INTEGER)
)
SELECT CASE WHEN why IS NULL THEN 'yes' ELSE 'unknown' END AS answer, repository, images, last_push_at, why
FROM untouched
ORDER BY answer DESC, last_push_at, repository
