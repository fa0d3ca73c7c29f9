-- question: How many bytes are in use by the N-th path component of the repositories' names?
-- needs: depth manifests
-- parameter: component = 1   which component: of my-project/team/app, 2 is team
-- column: answer   yes; unknown where something of the component was not read, so that it may be more
-- column: component   the component; empty for names that have fewer
-- column: repositories   how many repositories have manifests, or were not read
-- column: manifests   how many manifests they have
-- column: bytes   of their layers, compressed, each layer counted once
-- column: bytes_only_here   of the layers that no other component uses: what deleting the component frees at most
-- column: why   why the answer is unknown

WITH named AS (
    SELECT
        coalesce(string_split(repository, '/')[$component::BIGINT], '') AS component,
        repository,
        digest,
        manifest_known,
        layers,
        unread
    FROM contents
),
used AS (
    SELECT component, layer.digest AS digest, max(layer.size_bytes) AS size_bytes
    FROM (SELECT component, unnest(layers) AS layer FROM named)
    GROUP BY ALL
),
only_here AS (
    SELECT component, sum(size_bytes) AS bytes
    FROM (
        SELECT any_value(component) AS component, max(size_bytes) AS size_bytes
        FROM used
        GROUP BY digest
        HAVING count(*) = 1
    )
    GROUP BY ALL
),
totals AS (
    SELECT component, sum(size_bytes) AS bytes, count(*) - count(size_bytes) AS unsized FROM used GROUP BY ALL
),
manifests AS (
    SELECT
        component,
        count(DISTINCT repository) AS repositories,
        count(digest) AS manifests,
        count(digest) FILTER (WHERE NOT manifest_known) AS unread_manifests,
        count(unread) AS unread_repositories
    FROM named
    GROUP BY ALL
),
answers AS (
    SELECT
        component,
        repositories,
        manifests,
        coalesce(totals.bytes, 0)::BIGINT AS bytes,
        coalesce(only_here.bytes, 0)::BIGINT AS bytes_only_here,
        concat_ws(
            '; ',
            'repositories not read whole: ' || nullif(unread_repositories, 0),
            'manifests not read: ' || nullif(unread_manifests, 0),
            'layers without a size: ' || nullif(unsized, 0)
        ) AS why
    FROM manifests
    LEFT JOIN totals USING (component)
    LEFT JOIN only_here USING (component)
)
SELECT
    CASE WHEN why = '' THEN 'yes' ELSE 'unknown' END AS answer,
    component,
    repositories,
    manifests,
    bytes,
    bytes_only_here,
    nullif(why, '') AS why
FROM answers
ORDER BY bytes DESC, component
