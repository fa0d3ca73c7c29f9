-- One row for each image and index, tagged or not, but not for signatures, SBOMs and other artifacts; and one without a digest for each repository of which something is not known.
-- reads: children, outcome, suspect, tags, problems.problem, problems.tag, problems.digest
-- reads: images.digest, images.tags, images.kind, images.size_bytes, images.created_at, images.uploaded_at
-- reads: images.platforms.digest, images.platforms.os, images.platforms.architecture, images.platforms.role
-- reads: images.manifest.config_digest, images.config.os, images.config.user
-- reads: images.config.base_name, images.config.base_digest, images.config.base_from
-- reads: images.referrers.digest, images.referrers.kind, images.referrers.artifact_type, images.referrers.predicate_type
SELECT
    run_id,
    registry,
    target,
    repository,
    image.digest AS digest,
    coalesce(image.tags, []) AS tags,
    image.kind AS kind,
    image.size_bytes AS size_bytes,
    image.created_at::TIMESTAMPTZ AS created_at,
    image.uploaded_at::TIMESTAMPTZ AS uploaded_at,
    -- an index lists attestations beside its images
    list_filter(image.platforms, lambda platform: coalesce(platform.role, 'image') = 'image') AS platforms,
    image.config IS NOT NULL AS config_known,
    image.config.os AS os,
    image.config.user AS "user",
    image.config.base_name AS base_name,
    image.config.base_digest AS base_digest,
    image.config.base_from AS base_from,
    image.referrers AS referrers,
    every_manifest_read,
    list_contains(failed_digests, image.digest) AS reading_failed,
    CASE WHEN image IS NULL THEN unread END AS unread,
    unread AS repository_unread,
    -- why it is no proof that a signature or an SBOM is not listed; NULL where it is one
    CASE
        WHEN unread IS NOT NULL THEN unread
        WHEN image.referrers IS NULL OR list_contains(failed_digests, image.digest) THEN 'its referrers were not read'
        WHEN image.kind IS NULL THEN 'its manifest was not read'
        WHEN
            len(
                list_filter(
                    image.referrers,
                    lambda referrer: referrer.kind = 'other'
                    AND referrer.predicate_type IS NULL
                    AND coalesce(
                        regexp_matches(
                            referrer.artifact_type, '^application/vnd[.](dev[.]sigstore[.]bundle|in-toto)'
                        ),
                        true
                    )
                )
            ) > 0
        THEN 'it has a referrer of an unknown kind, which may be one'
        WHEN NOT every_manifest_read AND level <> 'api'
        THEN 'none is listed, and the referrers API was not asked: crawl with --referrers api'
    END AS unlisted_why
FROM (
    SELECT
        run_id,
        registry,
        target,
        repository,
        unread,
        unnest(CASE WHEN unread IS NULL THEN images ELSE list_append(coalesce(images, []), NULL) END) AS image,
        -- Google's listing, the one with children, has every manifest: with all of them read, every referrer
        -- is known. The tag of a signature names its subject, so it need not be read.
        children IS NOT NULL
        AND len(list_filter(images, lambda image: image.manifest IS NULL AND len(image.tags) = 0)) = 0
        AS every_manifest_read,
        list_transform(
            list_filter(
                problems, lambda problem: problem.problem IN ('manifest-unreadable', 'digest-mismatch')
            ),
            lambda problem: problem.digest
        ) AS failed_digests
    FROM (SELECT *, {{why_unread}} AS unread FROM records)
)
JOIN (SELECT run_id, referrers AS level FROM runs) USING (run_id)
WHERE
    (image.kind IN ('image', 'index') OR image.kind IS NULL)
    AND (
        image.kind = 'image'
        OR coalesce(len(image.tags), 0) = 0
        OR len(
            list_filter(
                image.tags,
                lambda tag: NOT regexp_full_match(tag, {{digest_tag}})
            )
        ) > 0
    )
