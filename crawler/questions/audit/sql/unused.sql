-- question: Which images run and are gone, and which images does nothing run?
-- needs: images
-- input: running   what runs, from kubectl get pods -A -o json (- reads standard input)
-- column: answer   yes, or unknown
-- column: finding   gone: it runs, and the registry does not have it; unused: the registry has it, and nothing runs it
-- column: repository   the repository
-- column: tags   the tag that is gone; the tags of the image that is unused
-- column: digest   the image
-- column: users   how many workloads use what is gone
-- column: used_by   three of them
-- column: why   why the answer is unknown

-- Gone. What runs is named by a tag, by a digest, or by the runtime's own image id.
--
--     the repository          | a tag                          | a digest                     | an image id
--     ------------------------+--------------------------------+------------------------------+------------------------
--     missing, or no record   |                                |                              |
--       and that is a proof   | gone                           | gone                         | gone
--     denied, failed, or      |                                |                              |
--       no record otherwise   | unknown                        | unknown                      | unknown
--     read                    | listed: there; without         | listed, by itself or in an   | the digest of a
--                             | manifest: gone                 | index: there; its manifest   | manifest or a config:
--                             |                                | was refused: gone            | there
--       not listed, suspect   | unknown                        | unknown                      | unknown
--       not listed, unread    | gone: tags are all listed      | unknown                      | unknown
--       not listed, all read  | gone                           | gone where images without a  | unknown: it may be a
--                             |                                | tag are listed, else unknown | name that is in no list
--
-- What began to run after the repository was looked at may have been pushed since: then gone is unknown, too. So it is
-- for a workload that may have been given another image at any time, such as a Deployment. What is used only by pods and
-- jobs that ended, and by workloads of no replicas, has no row: it does not run.
--
-- Unused. An image is used where a workload names it or runs it, now or when it is started again: by digest, by a tag
-- that it has, by an image id that is its digest or that of its config. So is an index with such an image, and then so
-- is every image of a used index. The rest is
--
--     in a repository that nothing uses                               unused
--     in a repository that something uses, and of which
--       not everything was read                                       unknown
--       something that runs is unknown (see above)                    unknown: it may be this, or an index with this
--       the images of something that is used are not known            unknown: this may be one of them
--       this image's own manifest was not read                        unknown: it may be an index of what is used
--       none of it holds                                              unused
WITH RECURSIVE used_repositories AS MATERIALIZED (
    SELECT DISTINCT repository FROM running
),
places AS MATERIALIZED (
    FROM listings
),
known AS MATERIALIZED (
    SELECT repository, unnest(manifests, max_depth := 2) FROM places
),
children AS MATERIALIZED (
    SELECT repository, digest, unnest(child_digests) AS child_digest FROM known
),
broken_digests AS MATERIALIZED (
    SELECT DISTINCT repository, unnest(broken_digests) AS digest FROM places
),
broken_tags AS MATERIALIZED (
    SELECT DISTINCT repository, unnest(broken_tags) AS tag FROM places
),
listed_tags AS MATERIALIZED (
    SELECT repository, unnest(tags) AS tag FROM places SEMI JOIN used_repositories USING (repository)
),
-- what runs, each once
wanted AS MATERIALIZED (
    SELECT
        repository,
        tag,
        digest,
        image_id,
        any_value(unrecorded_why) AS unrecorded_why,
        count(DISTINCT (namespace, workload)) FILTER (is_needed) AS users,
        list_sort(list(DISTINCT namespace || '/' || workload) FILTER (is_needed))[:3] AS used_by,
        min(since) AS since
    FROM running
    GROUP BY ALL
),
-- the manifests that it names
resolved AS MATERIALIZED (
    SELECT repository, tag, NULL AS image_id, tagged.digest
    FROM wanted
    JOIN (SELECT repository, unnest(tags) AS tag, digest FROM known) AS tagged USING (repository, tag)
    UNION ALL
    SELECT repository, NULL, image_id, known.digest
    FROM wanted
    JOIN known USING (repository)
    WHERE image_id IN (known.digest, known.config_digest)
    UNION ALL
    SELECT repository, NULL, NULL, digest FROM wanted WHERE digest IS NOT NULL
),
found AS MATERIALIZED (
    SELECT
        wanted.*,
        coalesce(since < coalesce(observed_at, started_at), false) AS is_older,
        CASE
            WHEN outcome IS NULL THEN if(unrecorded_why IS NULL, 'gone', 'unknown')
            WHEN outcome IN ('missing', 'invalid') THEN 'gone'
            WHEN outcome <> 'ok' THEN 'unknown'
            WHEN tag IS NOT NULL THEN CASE
                WHEN (repository, tag) IN (SELECT (repository, tag) FROM broken_tags) THEN 'gone'
                WHEN (repository, tag) IN (SELECT (repository, tag) FROM listed_tags) THEN 'there'
                WHEN (repository, tag) IN (SELECT (repository, tag) FROM resolved WHERE tag IS NOT NULL) THEN 'there'
                WHEN suspect IS NOT NULL THEN 'unknown'
                ELSE 'gone'
            END
            WHEN digest IS NOT NULL THEN CASE
                WHEN (repository, digest) IN (SELECT (repository, digest) FROM broken_digests) THEN 'gone'
                WHEN (repository, digest) IN (SELECT (repository, digest) FROM known) THEN 'there'
                WHEN (repository, digest) IN (SELECT (repository, child_digest) FROM children) THEN 'there'
                WHEN unread IS NULL AND lists_untagged THEN 'gone'
                ELSE 'unknown'
            END
            WHEN (repository, image_id) IN (SELECT (repository, image_id) FROM resolved WHERE image_id IS NOT NULL)
            THEN 'there'
            ELSE 'unknown'
        END AS state,
        CASE
            WHEN outcome IS NULL THEN unrecorded_why
            WHEN unread IS NOT NULL THEN unread
            WHEN image_id IS NOT NULL
            THEN 'no image that was read has the id that the runtime gives'
            ELSE 'no tag names it, and the registry does not list images without a tag'
        END AS unknown_why
    FROM wanted
    CROSS JOIN (SELECT started_at FROM runs)
    LEFT JOIN places USING (repository)
),
judged AS MATERIALIZED (
    SELECT
        * EXCLUDE (state, unknown_why),
        CASE WHEN state = 'gone' AND NOT is_older THEN 'unknown' ELSE state END AS state,
        CASE
            WHEN state = 'unknown' THEN unknown_why
            WHEN state = 'gone' AND since IS NULL
            THEN 'since when it is used is not known: it may have been pushed after the snapshot was taken'
            WHEN state = 'gone' AND NOT is_older
            THEN 'it was started after the snapshot was taken, and may have been pushed since'
        END AS why
    FROM found
),
named AS (
    SELECT repository, digest FROM resolved WHERE digest IS NOT NULL
    UNION
    SELECT named.repository, children.digest
    FROM named
    JOIN children ON children.repository = named.repository AND children.child_digest = named.digest
),
used AS (
    SELECT repository, digest FROM named
    UNION
    SELECT repository, child_digest FROM used JOIN children USING (repository, digest)
),
-- why an image of a repository may be used that seems not to be
doubts AS MATERIALIZED (
    SELECT repository, min({'rank': rank, 'why': why}).why AS why
    FROM (
        SELECT repository, 1 AS rank, unread AS why FROM places WHERE unread IS NOT NULL
        UNION ALL
        SELECT repository, 2, 'which image runs is not known: ' || why FROM judged WHERE state = 'unknown'
        UNION ALL
        SELECT repository, 3, 'what runs may be an index with this image: its manifest was not read'
        FROM used
        JOIN known USING (repository, digest)
        ANTI JOIN broken_digests USING (repository, digest)
        WHERE kind IS NULL OR kind = 'index' AND child_digests IS NULL
    )
    SEMI JOIN used_repositories USING (repository)
    GROUP BY repository
),
left_over AS (
    SELECT
        repository,
        tags,
        digest,
        CASE
            WHEN used_repositories.repository IS NULL THEN NULL
            WHEN doubts.why IS NOT NULL THEN doubts.why
            WHEN kind IS NULL OR kind = 'index' AND child_digests IS NULL
            THEN 'its manifest was not read: it may be an index with an image that runs'
        END AS why
    FROM known
    ANTI JOIN used USING (repository, digest)
    ANTI JOIN broken_digests USING (repository, digest)
    LEFT JOIN used_repositories USING (repository)
    LEFT JOIN doubts USING (repository)
    WHERE is_pullable
    UNION ALL BY NAME
    SELECT repository, unread AS why FROM places WHERE unread IS NOT NULL
)
SELECT
    if(why IS NULL, 'yes', 'unknown') AS answer,
    'gone' AS finding,
    repository,
    if(tag IS NULL, NULL, [tag]) AS tags,
    coalesce(digest, image_id) AS digest,
    users,
    used_by,
    why
FROM judged
WHERE state <> 'there' AND users > 0
UNION ALL BY NAME
SELECT if(why IS NULL, 'yes', 'unknown') AS answer, 'unused' AS finding, repository, tags, digest, why
FROM left_over
ORDER BY answer DESC, finding, repository, digest, tags
