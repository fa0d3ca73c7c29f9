-- question: Which tagged images are for one platform only?
-- needs: depth configs
-- parameter: platform = any   only this one, such as linux/amd64; any: whichever it is
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image or index
-- column: platform   operating system and architecture; variants and versions count as the same platform
-- column: why   why the answer is unknown

WITH named AS (
    SELECT
        repository,
        tags,
        digest,
        unread,
        list_distinct(
            list_transform(coalesce(platforms, []), lambda platform: platform.os || '/' || platform.architecture)
        ) AS names,
        kind IS NULL
        OR coalesce(len(platforms), 0) = 0
        OR len(list_filter(platforms, lambda platform: (platform.os || platform.architecture) IS NULL)) > 0
        AS is_unclear
    FROM pullable
    WHERE len(tags) > 0 OR unread IS NOT NULL
)
SELECT
    CASE WHEN is_unclear THEN 'unknown' ELSE 'yes' END AS answer,
    repository,
    tags,
    digest,
    names[1] AS platform,
    CASE WHEN is_unclear THEN coalesce(unread, 'not every platform of the image is known') END AS why
FROM named
WHERE
    (len(names) = 1 OR is_unclear AND len(names) = 0)
    AND ($platform = 'any' OR coalesce(names[1], $platform) = $platform)
ORDER BY answer DESC, repository, digest
