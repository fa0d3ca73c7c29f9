-- question: Which tagged images are older than N days?
-- needs: times
-- parameter: days = 365   older than this many days when the snapshot was taken
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image
-- column: dated_at   when it was built; where that is not known, when it was uploaded
-- column: age_days   days from then to the snapshot
-- column: why   why the answer is unknown

-- An index has no build time of its own: it is as old as its newest image. Reproducible builds write 1970 or 1980, and
-- some clocks are wrong: such times, and those after the snapshot, are no build times.
WITH built AS (
    SELECT
        found.*,
        started_at,
        CASE
            WHEN created_at >= TIMESTAMPTZ '1981-01-01 00:00:00Z' AND created_at < started_at + INTERVAL 1 DAY
            THEN created_at
        END AS built_at
    FROM pullable AS found, (SELECT started_at FROM runs)
),
listed AS (
    SELECT repository, digest, unnest(platforms).digest AS child_digest
    FROM built
    WHERE kind = 'index' AND len(tags) > 0
),
newest_child AS (
    -- a child that may be newer leaves the time open
    SELECT
        listed.repository,
        listed.digest,
        CASE WHEN count(*) = count(built_at) THEN max(built_at) END AS child_built_at
    FROM listed
    JOIN built ON built.repository = listed.repository AND built.digest = listed.child_digest
    GROUP BY ALL
),
dated AS (
    SELECT repository, tags, digest, unread, started_at, coalesce(built_at, child_built_at, uploaded_at) AS dated_at
    FROM built
    LEFT JOIN newest_child USING (repository, digest)
    WHERE len(tags) > 0 OR unread IS NOT NULL
)
SELECT
    'yes' AS answer,
    repository,
    tags,
    digest,
    -- as text, in the form of a record: to make 100,000 times of Python takes half a second
    strftime(dated_at, '%Y-%m-%dT%H:%M:%S.%gZ') AS dated_at,
    date_diff('day', dated_at, started_at) AS age_days,
    NULL AS why
FROM dated
WHERE dated_at < started_at - to_days(least($days, 500000)::INTEGER)
UNION ALL BY NAME
SELECT
    'unknown' AS answer,
    repository,
    tags,
    digest,
    coalesce(unread, 'no time of its build or upload is known') AS why
FROM dated
WHERE dated_at IS NULL
ORDER BY answer DESC, dated_at, repository, digest
