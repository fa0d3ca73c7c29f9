-- question: Which images do not say who owns them, and where their source is?
-- needs: depth configs
-- parameter: owner = any   labels that name an owner, separated by commas; any: see below
-- parameter: source = any   likewise of the source
-- parameter: revision = any   likewise of the revision
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image; one for each platform
-- column: missing   which of owner, source and revision it does not name
-- column: why   why the answer is unknown

-- A label of the config counts, and so does an annotation of the manifest; an empty one does not. Builds copy the
-- labels of a base image, so that a label may be that of the base.
WITH wanted AS (
    SELECT
        CASE $owner
            WHEN 'any'
            THEN ['owner', 'team', 'maintainer', 'org.opencontainers.image.authors', 'org.opencontainers.image.vendor']
            ELSE string_split_regex(trim($owner), '\s*,\s*')
        END AS owners,
        CASE $source
            WHEN 'any' THEN ['org.opencontainers.image.source', 'org.label-schema.vcs-url']
            ELSE string_split_regex(trim($source), '\s*,\s*')
        END AS sources,
        CASE $revision
            WHEN 'any' THEN ['org.opencontainers.image.revision', 'org.label-schema.vcs-ref']
            ELSE string_split_regex(trim($revision), '\s*,\s*')
        END AS revisions
),
labelled AS (
    SELECT
        repository,
        tags,
        digest,
        config_known,
        list_transform(
            list_filter(
                list_concat(coalesce(labels, []), coalesce(annotations, [])),
                lambda label: coalesce(label.value, '') <> ''
            ),
            lambda label: label.key
        ) AS keys
    FROM images
    WHERE kind = 'image' OR kind IS NULL
),
checked AS (
    SELECT
        *,
        list_concat(
            CASE WHEN list_has_any(keys, owners) THEN [] ELSE ['owner'] END,
            CASE WHEN list_has_any(keys, sources) THEN [] ELSE ['source'] END,
            CASE WHEN list_has_any(keys, revisions) THEN [] ELSE ['revision'] END
        ) AS missing
    FROM labelled, wanted
)
SELECT
    CASE WHEN config_known THEN 'yes' ELSE 'unknown' END AS answer,
    repository,
    tags,
    digest,
    CASE WHEN config_known THEN missing END AS missing,
    CASE WHEN NOT config_known THEN 'its config was not read' END AS why
FROM checked
WHERE len(missing) > 0
UNION ALL BY NAME
SELECT 'unknown' AS answer, repository, why
FROM unread
ORDER BY answer DESC, repository, digest
