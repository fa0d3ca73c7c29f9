-- The tags of the repositories that are compared. The digest is null where none is known, or more than one.
CREATE TEMP TABLE {side}_tags AS
SELECT
    repository,
    listed.tag AS tag,
    any_value(suspect) AS suspect,
    CASE WHEN min(listed.digest) = max(listed.digest) THEN min(listed.digest) END AS digest
FROM (
    SELECT
        repository,
        suspect,
        vanished(problems) AS vanished,
        unnest(
            list_concat(
                list_transform(tags, lambda tag: {tag: tag, digest: NULL::VARCHAR}),
                flatten(
                    list_transform(
                        coalesce(images, []),
                        lambda image: list_transform(image.tags, lambda tag: {tag: tag, digest: image.digest})
                    )
                )
            )
        ) AS listed
    FROM {side}_kept
)
WHERE NOT list_contains(vanished, listed.tag)
    AND repository NOT IN (SELECT repository FROM changes WHERE kind = 'repository-emptied')
GROUP BY repository, listed.tag
