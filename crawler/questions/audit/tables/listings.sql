-- One row for each repository: how it was listed, and its manifests with what ties them to each other.
-- reads: outcome, suspect, children, observed_at, tags, problems.problem, problems.tag, problems.digest
-- reads: images.digest, images.tags, images.kind, images.manifest.config_digest
-- reads: images.platforms.digest, images.platforms.role
SELECT
    run_id,
    registry,
    target,
    repository,
    outcome,
    suspect,
    observed_at::TIMESTAMPTZ AS observed_at,
    -- Google's listing, the one with children, has every manifest
    children IS NOT NULL AS lists_untagged,
    tags,
    {{why_unread}} AS unread,
    list_transform(
        list_filter(problems, lambda problem: problem.problem IN ('dangling-tag', 'vanished-tag')),
        lambda problem: problem.tag
    ) AS broken_tags,
    list_transform(
        list_filter(problems, lambda problem: problem.problem IN ('dangling-tag', 'index-child-missing')),
        lambda problem: problem.digest
    ) AS broken_digests,
    list_transform(
        coalesce(images, []),
        lambda image: {
            digest: image.digest,
            tags: coalesce(image.tags, []),
            kind: image.kind,
            config_digest: image.manifest.config_digest,
            -- null where they were not read; an image is its own platform
            child_digests: CASE WHEN image.kind = 'index' THEN list_transform(
                {{image_platforms}},
                lambda platform: platform.digest
            ) END,
            is_pullable: {{is_pullable}}
        }
    ) AS manifests
FROM records
