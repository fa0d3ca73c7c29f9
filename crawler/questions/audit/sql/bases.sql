-- question: Which base image does each image have, and of which family is it?
-- needs: depth configs
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image, else those of the indexes that list it
-- column: digest   the image; one for each platform
-- column: base_name   the base image
-- column: base_digest   its manifest
-- column: base_from   annotation or label, where it is named; layers: the image begins with all layers of the base
-- column: family   debian for registry/base/debian12:12.1
-- column: why   why the answer is unknown

-- The family is distroless for a name with distroless/ in it, else the letters that the last path component begins
-- with. An image that is built from nothing looks the same as one whose base is not named.
SELECT
    CASE WHEN base_from IS NULL THEN 'unknown' ELSE 'yes' END AS answer,
    repository,
    tags,
    digest,
    base_name,
    base_digest,
    base_from,
    CASE
        WHEN contains(base_name, 'distroless/') THEN 'distroless'
        ELSE nullif(regexp_extract(lower(string_split(base_name, '/')[-1]), '^[a-z]+'), '')
    END AS family,
    CASE
        WHEN unread IS NOT NULL THEN unread
        WHEN NOT config_known THEN 'its config was not read'
        WHEN base_from IS NULL THEN 'neither annotations, labels nor layers name a base'
    END AS why
FROM runnable
ORDER BY answer DESC, family, base_name, repository, digest
