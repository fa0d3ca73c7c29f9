-- One row for each row of pullable, with what refers to the image, and why it is no proof that something is not listed.
-- reads: children, outcome, suspect, tags, problems.problem, problems.tag, problems.digest
-- reads: images.digest, images.tags, images.kind, images.manifest.config_digest
-- reads: images.platforms.digest, images.platforms.role
-- reads: images.referrers.digest, images.referrers.kind, images.referrers.artifact_type, images.referrers.predicate_type
SELECT
    run_id,
    registry,
    target,
    repository,
    image.digest AS digest,
    coalesce(image.tags, []) AS tags,
    image.kind AS kind,
    {{image_platforms}} AS platforms,
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
        WHEN NOT every_manifest_read AND level_of[run_id] <> 'api'
        THEN 'none is listed, and the referrers API was not asked: crawl with --referrers api'
    END AS unlisted_why
FROM (
    SELECT *, {{each_image}} AS image
    FROM (
        -- what holds for a repository is found before each of its images is a row, or it is found as often
        SELECT
            *,
            {{why_unread}} AS unread,
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
        FROM records
    )
),
-- not a join, for which all images would be kept in memory
(SELECT map_from_entries(list((run_id, referrers))) AS level_of FROM runs)
WHERE {{is_pullable}}
