-- One row for each tag. The digest is null where no image of the tag is known.
-- reads: tags, images.digest, images.tags
SELECT
    run_id,
    any_value(registry) AS registry,
    any_value(target) AS target,
    repository,
    listed.tag AS tag,
    any_value(listed.digest) AS digest
FROM (
    SELECT
        run_id,
        registry,
        target,
        repository,
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
    FROM records
)
GROUP BY run_id, repository, listed.tag
